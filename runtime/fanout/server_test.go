package fanout

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	goruntime "runtime"
	"strconv"
	"sync"
	"testing"
	"time"
)

// fake is a test server on a loopback address.
type fake struct {
	Endpoint
	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
	wg       sync.WaitGroup
}

// serve starts a server that calls handle for each connection and closes it afterwards.
func serve(t *testing.T, address string, handle func(net.Conn)) *fake {
	t.Helper()
	f := serveAt(t, net.JoinHostPort(address, "0"), handle)
	t.Cleanup(f.stop)
	return f
}

// serveAt starts a server on a given port. The caller has to stop it.
func serveAt(t *testing.T, address string, handle func(net.Conn)) *fake {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Error(err)
		return &fake{}
	}
	f := &fake{Endpoint: endpointOf(listener.Addr()), listener: listener}
	f.wg.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns = append(f.conns, c)
			f.mu.Unlock()
			f.wg.Go(func() {
				defer c.Close()
				handle(c)
			})
		}
	})
	return f
}

func (f *fake) stop() {
	if f.listener == nil {
		return
	}
	f.listener.Close()
	f.hangUp()
	f.wg.Wait()
}

// hangUp closes all connections from the server's side.
func (f *fake) hangUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.Close()
	}
}

func (f *fake) accepted() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.conns)
}

func endpointOf(a net.Addr) Endpoint {
	host, port, _ := net.SplitHostPort(a.String())
	n, _ := strconv.Atoi(port)
	return Endpoint{Scheme: "http", Host: host, Port: n}
}

// requests reads requests and calls answer for each, until the client closes the connection.
func requests(answer func(net.Conn, *http.Request, []byte)) func(net.Conn) {
	return func(c net.Conn) {
		in := bufio.NewReader(c)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			body := make([]byte, max(0, r.ContentLength))
			for n := 0; n < len(body); {
				m, err := r.Body.Read(body[n:])
				if n += m; err != nil && n < len(body) {
					return
				}
			}
			answer(c, r, body)
		}
	}
}

// text answers every request with 200 and a text.
func text(body string) func(net.Conn) {
	return requests(func(c net.Conn, _ *http.Request, _ []byte) { reply(c, 200, body) })
}

func reply(c net.Conn, status int, body string) {
	fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\n\r\n%s", status, http.StatusText(status), len(body), body)
}

// raw waits for the first bytes of a request and answers with given bytes.
func raw(answer string) func(net.Conn) {
	return func(c net.Conn) {
		c.Read(make([]byte, 4096))
		fmt.Fprint(c, answer)
	}
}

func get(e Endpoint) Request { return Request{Endpoint: e, Method: "GET", Path: "/admin/v1/health"} }

func client(t *testing.T) *Client {
	c := New(Config{})
	t.Cleanup(c.Close)
	return c
}

// poll calls ok until it returns true. It fails the test after a generous time limit.
func poll(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not so after 10 s: %s", what)
		}
	}
}

// noLeaks fails the test if goroutines or descriptors remain at its end. A test calls it first.
func noLeaks(t *testing.T) {
	t.Helper()
	goroutines, files := goruntime.NumGoroutine(), descriptors(t)
	t.Cleanup(func() {
		poll(t, "goroutines and descriptors are back to what they were", func() bool {
			return goruntime.NumGoroutine() <= goroutines && descriptors(t) <= files
		})
	})
}

func descriptors(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
