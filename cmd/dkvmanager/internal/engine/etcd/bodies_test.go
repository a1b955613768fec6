package etcd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// Large bodies that are being sent take a bounded part of the memory, and one client address gets half of it.
func TestPort_LargeBodiesHaveShares(t *testing.T) {
	t.Parallel()
	in := newStore(t, 1, 0)[0]
	in.start()
	in.ready()
	send := func(from string, length int, body string) (net.Conn, *bufio.Reader) {
		t.Helper()
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: clientLimit}
		c, err := d.DialContext(t.Context(), "tcp", in.endpoint())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(clientLimit)); err != nil {
			t.Fatal(err)
		}
		framing := fmt.Sprintf("Content-Length: %d", length)
		if length < 0 {
			framing = "Transfer-Encoding: chunked"
			body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
		}
		if _, err := fmt.Fprintf(c, "POST /v3/kv/put HTTP/1.1\r\nHost: localhost\r\n%s\r\nExpect: 100-continue\r\n\r\n%s", framing, body); err != nil {
			t.Fatal(err)
		}
		return c, bufio.NewReader(c)
	}
	answer := func(r *bufio.Reader) string {
		t.Helper()
		for {
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != http.StatusContinue {
				return resp.Status + " " + string(text)
			}
		}
	}
	put := func(bytes int) string { return fmt.Sprintf(`{"key":"aw==","value":"%s"}`, strings.Repeat("A", bytes)) }
	const client, other = "127.0.0.91", "127.0.0.92"
	var open []net.Conn
	for range maxLargeBytes / 2 / maxJSONBytes {
		c, r := send(client, maxJSONBytes, "{")
		if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") { // the body is being read
			t.Fatalf("%q, %v", line, err)
		}
		open = append(open, c)
	}
	large := put(400 << 10)
	_, r := send(client, len(large), "")
	if got := answer(r); !strings.HasPrefix(got, "503 ") || !strings.Contains(got, tooManyLarge) {
		t.Errorf("one more large body: %s", got)
	}
	_, r = send(client, -1, large)
	if got := answer(r); !strings.HasPrefix(got, "400 ") || !strings.Contains(got, tooManyLarge) {
		t.Errorf("one more large body of unknown length: %s", got)
	}
	small := put(4)
	_, r = send(client, len(small), small)
	if got := answer(r); !strings.HasPrefix(got, "200 ") {
		t.Errorf("a small body: %s", got)
	}
	for _, length := range []int{len(large), -1} {
		_, r = send(other, length, large)
		if got := answer(r); !strings.HasPrefix(got, "200 ") {
			t.Errorf("another client: %s", got)
		}
	}
	for _, c := range open {
		_ = c.Close()
	}
	got := ""
	end := time.Now().Add(clientLimit)
	for ; !strings.HasPrefix(got, "200 ") && time.Now().Before(end); time.Sleep(time.Millisecond) {
		_, r = send(client, len(large), large)
		got = answer(r)
	}
	if !strings.HasPrefix(got, "200 ") {
		t.Errorf("after the others have ended: %s", got)
	}
}

// A connection that is no HTTP is closed at once.
func TestPort_ClosesWhatIsNotHTTP(t *testing.T) {
	t.Parallel()
	in := newStore(t, 1, 0)[0]
	in.start()
	in.ready()
	conn, err := net.Dial("tcp", in.endpoint())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(firstBytesLimit / 2)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("\x16\x03\x01\x00\xc8\x01\x00")); err != nil { // the begin of TLS
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
