package fanout

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

func TestPool_Reuse(t *testing.T) {
	noLeaks(t)
	s := serve(t, "127.24.2.1", text("ok"))
	c := client(t)
	for range 5 {
		if a := c.Do(context.Background(), []Request{get(s.Endpoint)}, Options{})[0]; a.Err != nil || string(a.Body) != "ok" {
			t.Fatalf("%+v", a)
		}
	}
	if n := s.accepted(); n != 1 {
		t.Errorf("%d connections for 5 requests", n)
	}
}

func TestPool_ServerCloses(t *testing.T) {
	for name, answer := range map[string]string{
		"close":      "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
		"1.0":        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"no length":  "HTTP/1.1 200 OK\r\n\r\nok",
		"more bytes": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 planted\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			s := serve(t, "127.24.2.2", raw(answer))
			c := client(t)
			for range 3 {
				if a := c.Do(context.Background(), []Request{get(s.Endpoint)}, Options{})[0]; a.Err != nil || a.Status != 200 ||
					string(a.Body) != "ok" {
					t.Fatalf("%+v, error %v", a, a.Err)
				}
			}
			if n := s.accepted(); n != 3 {
				t.Errorf("%d connections for 3 requests", n)
			}
		})
	}
}

// If the server has closed an idle connection, the request is sent over a new one. Not even a POST fails.
func TestPool_StaleReplaced(t *testing.T) {
	noLeaks(t)
	s := serve(t, "127.24.2.3", text("ok"))
	c := client(t)
	post := Request{Endpoint: s.Endpoint, Method: "POST", Path: "/", Body: []byte("{}")}
	for range 3 {
		if a := c.Do(context.Background(), []Request{post}, Options{})[0]; a.Err != nil || a.Attempts != 1 {
			t.Fatalf("%+v, error %v", a, a.Err)
		}
		s.hangUp()
	}
}

// A server that closes a TLS connection sends close_notify first, which looks like an answer that nobody waits for.
func TestPool_StaleTLSReplaced(t *testing.T) {
	noLeaks(t)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok")) }))
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c := New(Config{Security: webSecurity{&tls.Config{RootCAs: roots}}})
	defer c.Close()
	e := endpointOf(s.Listener.Addr())
	e.Scheme = "https"
	post := Request{Endpoint: e, Method: "POST", Path: "/", Body: []byte("{}")}
	for range 3 {
		if a := c.Do(context.Background(), []Request{post}, Options{})[0]; a.Err != nil || a.Attempts != 1 {
			t.Fatalf("%+v, error %v", a, a.Err)
		}
		s.CloseClientConnections()
	}
}

// If a server closes the connection after it received a request, it may have carried out the request. Only idempotent
// requests are sent again.
func TestRetry_OnlyWhenSafe(t *testing.T) {
	for _, test := range []struct {
		request  Request
		attempts int
		class    string
	}{
		{Request{Method: "GET"}, 2, ""},
		{Request{Method: "POST", Idempotent: true, Body: []byte("{}")}, 2, ""},
		{Request{Method: "POST", Body: []byte("{}")}, 1, Reset},
		{Request{Method: "DELETE"}, 1, Reset},
	} {
		t.Run(fmt.Sprint(test.request.Method, test.request.Idempotent), func(t *testing.T) {
			noLeaks(t)
			var conns, received atomic.Int32
			s := serve(t, "127.24.2.4", func(c net.Conn) {
				first := conns.Add(1) == 1
				answered := false
				requests(func(c net.Conn, _ *http.Request, _ []byte) {
					received.Add(1)
					if first && answered {
						c.Close()
						return
					}
					answered = true
					reply(c, 200, "ok")
				})(c)
			})
			c := client(t)
			c.Do(context.Background(), []Request{get(s.Endpoint)}, Options{})
			r := test.request
			r.Endpoint, r.Path = s.Endpoint, "/"
			a := c.Do(context.Background(), []Request{r}, Options{})[0]
			if a.Attempts != test.attempts || (a.Err == nil) != (test.class == "") ||
				a.Err != nil && (a.Err.Class != test.class || !a.Err.Sent) {
				t.Errorf("%+v, error %v", a, a.Err)
			}
			if got := received.Load(); got != int32(1+test.attempts) {
				t.Errorf("the server got %d requests", got)
			}
		})
	}
}

func TestRetry_NotOnNewConnection(t *testing.T) {
	s := serve(t, "127.24.2.5", raw(""))
	if a := one(t, get(s.Endpoint)); a.Attempts != 1 || s.accepted() != 1 {
		t.Errorf("%d attempts, %d connections", a.Attempts, s.accepted())
	}
}

func TestPool_IdleBounded(t *testing.T) {
	noLeaks(t)
	s := serve(t, "127.24.2.6", func(c net.Conn) { c.Read(make([]byte, 1)) })
	p := pool{conns: map[Endpoint][]*conn{}}
	for i := range maxIdle + 10 {
		raw, err := net.Dial("tcp", s.String())
		if err != nil {
			t.Fatal(err)
		}
		p.put(&conn{endpoint: Endpoint{Port: i}, raw: raw, stream: raw})
	}
	if p.order.Len() != maxIdle || len(p.conns) != maxIdle {
		t.Errorf("%d connections kept, want %d", p.order.Len(), maxIdle)
	}
	for _, list := range p.conns {
		list[0].idleSince = list[0].idleSince.Add(-2 * maxIdleTime)
	}
	raw, err := net.Dial("tcp", s.String())
	if err != nil {
		t.Fatal(err)
	}
	p.put(&conn{raw: raw, stream: raw})
	if p.order.Len() != 1 || len(p.conns) != 1 {
		t.Errorf("%d connections kept after the others grew old, want 1", p.order.Len())
	}
	p.close()
}
