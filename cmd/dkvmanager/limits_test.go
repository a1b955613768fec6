package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// TestManager_BadInputChangesNothing sends malformed requests to a manager as it is deployed. The tests of package
// admin cover what the API refuses in detail, and the limits of slow and many clients.
func TestManager_BadInputChangesNothing(t *testing.T) {
	const ip = "127.23.6.11"
	d := startDaemon(t, ip, filepath.Join(t.TempDir(), "data"))
	d.must("POST", wire.StoresPath(), orders(1, ip), "Created")
	file := filepath.Join(d.dir, "catalog.json")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	post := func(body string) string {
		return "POST " + wire.StoresPath() + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + body
	}
	for _, c := range []struct{ send, want string }{
		{"nonsense\r\n\r\n", "HTTP/1.1 400"},
		{"GET " + wire.Prefix + "/stores/../../etc HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", `"code":"not_found"`},
		{"DELETE " + wire.Prefix + "/stores/%2e%2e HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", `"code":"bad_name"`},
		{"GET " + wire.HealthPath() + " HTTP/1.1\r\nHost: localhost\r\nX-Long: " + strings.Repeat("x", 32<<10) + "\r\n\r\n", "HTTP/1.1 431"},
		{post("Content-Length: 9\r\n\r\n{\"name\":1"), `"code":"bad_request"`},
		{post("Content-Length: 9000000\r\nExpect: 100-continue\r\n\r\n" + strings.Repeat(" ", 9000000)), `"code":"body_too_large"`},
		{post("Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n"), `"code":"bad_request"`},
		{"FETCH " + wire.StoresPath() + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", `"code":"method_not_allowed"`},
	} {
		if got := exchange(t, ip, c.send); !strings.Contains(got, c.want) {
			t.Errorf("%.60q: got %.300q, want %q", c.send, got, c.want)
		}
	}
	after, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the catalog changed (%v):\n%s\n%s", err, before, after)
	}
}

// exchange sends bytes and returns all that comes back until the manager closes the connection.
func exchange(t *testing.T, ip, send string) string {
	t.Helper()
	conn, err := net.Dial("tcp", ip+":7801")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(conn, send) }() // the manager may refuse before it has read all
	got, err := io.ReadAll(conn)
	if err != nil && len(got) == 0 {
		t.Errorf("%.60q: %v", send, err)
	}
	return string(got)
}
