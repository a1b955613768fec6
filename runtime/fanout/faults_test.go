package fanout

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// one sends one request and returns its answer.
func one(t *testing.T, r Request) Answer {
	t.Helper()
	return client(t).Do(context.Background(), []Request{r}, Options{})[0]
}

func TestExchange_Faults(t *testing.T) {
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 1<<20, strings.Repeat("x", 1<<20))
	for _, test := range []struct {
		name    string
		handle  func(net.Conn)
		class   string
		message string
	}{
		{"hang", func(c net.Conn) { c.Read(make([]byte, 4096)); c.Read(make([]byte, 1)) }, Timeout, "took the request, but gave no answer within 200ms"},
		{"drip in the headers", drip("HTTP/1.1 200 OK\r\n"), Timeout, "began to answer, but did not finish within 200ms"},
		{"drip in the body", drip("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"), Timeout, "did not finish"},
		{"drip in chunks", drip("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n"), Timeout, "did not finish"},
		{"garbage", raw("SSH-2.0-OpenSSH_9.9\r\n\r\n"), Protocol, "the answer is not HTTP"},
		{"short garbage", raw("hello\r\n\r\n"), Protocol, "the answer is not HTTP"},
		{"a byte of garbage", raw("x"), Protocol, "the answer is not HTTP"},
		{"part of a status line", raw("HTTP/1.1"), Reset, "in the middle of its answer"},
		{"bad length", raw("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"), Protocol, "the answer is not HTTP"},
		{"two lengths", raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"), Protocol, "the answer is not HTTP"},
		{"no answer", raw(""), Reset, "closed the connection without an answer"},
		{"end in the headers", raw("HTTP/1.1 200 OK\r\nContent-"), Reset, "closed the connection in the middle of its answer"},
		{"end in the body", raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), Reset, "closed the connection in the middle"},
		{"end in a chunk", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf"), Reset, "closed the connection in the middle"},
		{"reset before", reset(""), Reset, "closed the connection without an answer"},
		{"reset in the body", reset("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), Reset, "closed the connection in the middle"},
		{"long body announced", raw("HTTP/1.1 200 OK\r\nContent-Length: 16777217\r\n\r\n"), Protocol, "larger than 16 MiB"},
		{"long body in chunks", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat(chunk, 17)), Protocol, "larger than 16 MiB"},
		{"long body to the end", raw("HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 17<<20)), Protocol, "larger than 16 MiB"},
		{"long headers", raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxHeader) + "\r\n\r\n"), Protocol, "headers of the answer are larger than 16 KiB"},
		{"compressed", raw("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"), Protocol, "the answer is compressed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			noLeaks(t)
			s := serve(t, "127.24.1.1", test.handle)
			r := get(s.Endpoint)
			if test.class == Timeout {
				r.Timeout = 200 * time.Millisecond
			} else {
				r.Timeout = 20 * time.Second
			}
			a := one(t, r)
			if a.Err == nil || a.Err.Class != test.class || a.Status != 0 || !a.Err.Sent || a.Attempts != 1 {
				t.Fatalf("got %+v, error %v; want class %s", a, a.Err, test.class)
			}
			if !strings.HasPrefix(a.Err.Message, s.String()+": ") || !strings.Contains(a.Err.Message, test.message) {
				t.Errorf("message %q, want %q in it", a.Err.Message, test.message)
			}
			if test.class == Timeout && (a.Duration < r.Timeout || a.Duration > r.Timeout+10*time.Second) {
				t.Errorf("took %s with a timeout of %s", a.Duration, r.Timeout)
			}
		})
	}
}

// drip sends an answer byte by byte, so fast that no single read times out.
func drip(start string) func(net.Conn) {
	return func(c net.Conn) {
		c.Read(make([]byte, 4096))
		_, err := fmt.Fprint(c, start)
		for tick := time.NewTicker(5 * time.Millisecond); err == nil; <-tick.C {
			_, err = fmt.Fprint(c, "x")
		}
	}
}

// reset begins to answer and then resets the connection.
func reset(answer string) func(net.Conn) {
	return func(c net.Conn) {
		c.Read(make([]byte, 4096))
		fmt.Fprint(c, answer)
		c.(*net.TCPConn).SetLinger(0)
	}
}

func TestExchange_Refused(t *testing.T) {
	noLeaks(t)
	s := serve(t, "127.24.1.2", text(""))
	s.stop()
	a := one(t, get(s.Endpoint))
	if a.Err == nil || a.Err.Class != Refused || a.Err.Sent {
		t.Fatalf("%+v, error %v", a, a.Err)
	}
	if want := s.String() + ": connection refused: nothing listens there; is the server running, and the port right?"; a.Err.Message != want {
		t.Errorf("got %q", a.Err.Message)
	}
}

// A listener with a full queue drops further connection attempts: the connection is never made.
func TestExchange_ConnectTimeout(t *testing.T) {
	noLeaks(t)
	e := fullListener(t)
	r := get(e)
	r.Timeout = 200 * time.Millisecond
	a := one(t, r)
	if a.Err == nil || a.Err.Class != Timeout || a.Err.Sent || !strings.Contains(a.Err.Message, "no connection within 200ms") {
		t.Errorf("%+v, error %v", a, a.Err)
	}
}

func TestExchange_CancelWhileConnecting(t *testing.T) {
	noLeaks(t)
	e := fullListener(t)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	a := client(t).Do(ctx, []Request{get(e)}, Options{})[0]
	if a.Err == nil || a.Err.Class != Cancelled || a.Err.Sent || a.Duration > 5*time.Second {
		t.Errorf("%+v, error %v", a, a.Err)
	}
}

func TestExchange_Redirects(t *testing.T) {
	target := serve(t, "127.24.1.4", text("secret"))
	s := serve(t, "127.24.1.3", requests(func(c net.Conn, _ *http.Request, _ []byte) {
		fmt.Fprintf(c, "HTTP/1.1 307 Temporary Redirect\r\nLocation: %s/x\r\nContent-Length: 0\r\n\r\n", target.URL())
	}))
	if a := one(t, get(s.Endpoint)); a.Err != nil || a.Status != 307 || target.accepted() != 0 {
		t.Errorf("%+v; the target was reached %d times", a, target.accepted())
	}
}

func TestExchange_BadPath(t *testing.T) {
	s := serve(t, "127.24.1.5", text(""))
	for _, path := range []string{"", "x", "/a b", "/a\r\nX: y", "/\x00", "/\x7f"} {
		a := one(t, Request{Endpoint: s.Endpoint, Method: "GET", Path: path})
		if a.Err == nil || a.Err.Class != Protocol || a.Err.Sent {
			t.Errorf("%q: %+v", path, a)
		}
	}
	if s.accepted() != 0 {
		t.Error("a bad path was sent")
	}
}

// A manager refuses a large body without reading it. The client must receive the reason.
func TestExchange_EarlyAnswer(t *testing.T) {
	s := serve(t, "127.24.1.6", func(c net.Conn) {
		c.Read(make([]byte, 4096))
		reply(c, 413, "too large")
		for _, err := c.Read(make([]byte, 1<<16)); err == nil; _, err = c.Read(make([]byte, 1<<16)) {
		}
	})
	a := one(t, Request{Endpoint: s.Endpoint, Method: "POST", Path: "/", Body: make([]byte, 4<<20)})
	if a.Err != nil || a.Status != 413 || string(a.Body) != "too large" {
		t.Errorf("%+v, error %v", a, a.Err)
	}
}
