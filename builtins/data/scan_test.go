package data

import "testing"

func TestScan_EndOfPrefix(t *testing.T) {
	for prefix, want := range map[string]string{"a": "b", "a\xff": "b", "\xff": "\x00", "": "\x00"} {
		if got := string(after([]byte(prefix))); got != want {
			t.Errorf("%q ends before %q", prefix, got)
		}
	}
}
