package fanout

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
)

// scripted is a connection whose server sends fixed bytes and then closes.
type scripted struct {
	net.Conn
	in io.Reader
}

func (s scripted) Read(p []byte) (int, error)  { return s.in.Read(p) }
func (s scripted) Write(p []byte) (int, error) { return len(p), nil }
func (s scripted) Close() error                { return nil }

// oddHeader matches a header with white space before the colon. net/http ignores the name of such a header, but
// fasthttp doesn't.
var oddHeader = regexp.MustCompile(`[ \t]+:`)

// FuzzFanout_Answer reads arbitrary bytes of a server. A connection may be reused only after an answer that net/http
// reads in the same way and up to the same byte: otherwise the rest would be taken for the next answer.
func FuzzFanout_Answer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nT: v\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
		"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", 1000),
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 99999999999999999999 OK\r\n\r\n", "HTTP/1.1 -1 OK\r\n\r\n", "HTTP/1.1 000 x\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "HTTP/1.1 200 OK\r\n Content-Length: 2\r\n\r\nok", "HTTP/1.1 200 OK\r\nX: y\r\n\tz\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX\x00: \x1b[2J\r\nContent-Length: 0\r\n\r\n", "\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "\x00", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		s := scripted{in: bytes.NewReader(sent)}
		cn := &conn{raw: s, stream: s}
		var left atomic.Int64
		left.Store(maxBody)
		var a Answer
		keep, failed := cn.roundTrip(&Request{Method: "GET", Path: "/"}, &a, &left)
		status, body := a.Status, a.Body
		if failed != nil {
			if keep || status != 0 || body != nil {
				t.Errorf("a failure with status %d, %d bytes, keep %v", status, len(body), keep)
			}
			return
		}
		if len(body) > maxBody || len(body) > len(sent) {
			t.Errorf("%d bytes of body from %d bytes", len(body), len(sent))
		}
		if !keep || oddHeader.Match(sent) {
			return
		}
		in := bufio.NewReader(bytes.NewReader(sent))
		resp, err := http.ReadResponse(in, nil)
		for err == nil && resp.StatusCode < 200 {
			resp, err = http.ReadResponse(in, nil)
		}
		if err != nil {
			t.Fatalf("%q is kept, and net/http does not read it: %v", sent, err)
		}
		other, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != status || !bytes.Equal(other, body) || resp.Close || in.Buffered() > 0 {
			t.Errorf("%q is kept: got %d %q, net/http %d %q (%v), close %v, %d bytes left", sent, status, body, resp.StatusCode, other, err, resp.Close, in.Buffered())
		}
	})
}
