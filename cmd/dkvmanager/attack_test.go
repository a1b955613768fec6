package main

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// dialFrom opens a connection to a manager from a loopback address, and sends text.
func dialFrom(t *testing.T, from, ip, text string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", ip+":7801")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_, _ = io.WriteString(c, text) // the manager may have closed the connection already
	return c
}

// A client that holds as many connections as a manager serves, silent or with bodies that never end, keeps nobody out:
// neither other clients nor its own address.
func TestAttack_ConnectionsKeepNobodyOut(t *testing.T) {
	const ip, stranger = "127.23.7.11", "127.23.7.99"
	startDaemon(t, ip, filepath.Join(t.TempDir(), "data"))
	slow := "POST " + wire.StoresPath() + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
	for _, sends := range []string{"", slow, "GET " + wire.HealthPath() + " HTTP/1.1\r\nHost:"} {
		for range 1024 {
			dialFrom(t, stranger, ip, sends)
		}
		for _, client := range []string{"127.23.7.12", stranger} {
			c := dialFrom(t, client, ip, "GET "+wire.HealthPath()+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
			if err := c.SetReadDeadline(time.Now().Add(4 * time.Second)); err != nil { // silent ones would be closed after 5 s
				t.Fatal(err)
			}
			if got, err := io.ReadAll(c); !strings.HasPrefix(string(got), "HTTP/1.1 200 ") {
				t.Errorf("beside 1,024 connections that sent %.30q, %s gets %q, %v", sends, client, got, err)
			}
		}
	}
}

// A body that is too large, or not wanted, is refused by its header: nobody waits for it.
func TestAttack_AnnouncedBodiesAreNotWaitedFor(t *testing.T) {
	const ip = "127.23.7.21"
	startDaemon(t, ip, filepath.Join(t.TempDir(), "data"))
	for request, code := range map[string]string{
		"POST " + wire.StoresPath() + " HTTP/1.1\r\nContent-Length: 8388609":                 wire.CodeBodyTooLarge,
		"GET " + wire.StoresPath() + " HTTP/1.1\r\nContent-Length: 100":                      wire.CodeBadRequest,
		"POST /nowhere HTTP/1.1\r\nContent-Length: 100":                                      wire.CodeNotFound,
		"POST " + wire.StoresPath() + "?x=1 HTTP/1.1\r\nContent-Length: 9223372036854775807": wire.CodeBadRequest,
	} {
		c := dialFrom(t, "127.23.7.99", ip, request+"\r\nHost: localhost\r\n\r\n")
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil { // a body may take 30 s
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); err != nil || !strings.Contains(string(got), fmt.Sprintf(`"code":%q`, code)) {
			t.Errorf("%q: got %q, %v; want %s", request, got, err, code)
		}
	}
}
