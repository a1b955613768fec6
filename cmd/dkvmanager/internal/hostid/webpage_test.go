package hostid

import "testing"

func TestWebPage_OwnNames(t *testing.T) {
	for host, want := range map[string]bool{
		"": true, "127.0.0.1": true, "10.0.0.11:7801": true, "[::1]:7801": true, "[::1]": true,
		"localhost:7801": true, "LOCALHOST": true, "db1.example": true, "DB1.example:7801": true, "db1": true,
		"db2.example:7801": false, "evil.example": false, "localhost.evil.example": false, "127.0.0.1.evil.example:7801": false,
	} {
		if got := IsOwnName(host, "db1.example", "db1"); got != want {
			t.Errorf("%q: %v, want %v", host, got, want)
		}
	}
}
