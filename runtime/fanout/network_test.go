package fanout

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// fullListener returns an endpoint that accepts no connection, because its queue of one is full.
func fullListener(t *testing.T) Endpoint {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 24, 3, 1}}),
		syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	e := Endpoint{Host: "127.24.3.1", Port: name.(*syscall.SockaddrInet4).Port}
	for {
		c, err := net.DialTimeout("tcp", e.String(), 300*time.Millisecond)
		if err != nil {
			return e
		}
		t.Cleanup(func() { c.Close() })
	}
}

func TestResolver_LooksUpOnce(t *testing.T) {
	noLeaks(t)
	s := serve(t, "127.24.3.2", text("ok"))
	c := client(t)
	var lookups atomic.Int32
	c.names.lookup = func(context.Context, string, string) ([]netip.Addr, error) {
		lookups.Add(1)
		return []netip.Addr{netip.MustParseAddr("127.24.3.3"), netip.MustParseAddr("127.24.3.2")}, nil
	}
	list := make([]Request, 20)
	for i := range list {
		list[i] = get(Endpoint{Host: "db1.example.com", Port: s.Port})
	}
	for _, a := range c.Do(context.Background(), list, Options{}) {
		if a.Err != nil || a.Status != 200 {
			t.Errorf("the second address was not tried: %v", a.Err)
		}
	}
	if n := lookups.Load(); n != 1 {
		t.Errorf("%d look-ups for one name", n)
	}
}

func TestResolver_NoAddress(t *testing.T) {
	c := client(t)
	var lookups atomic.Int32
	c.names.lookup = func(context.Context, string, string) ([]netip.Addr, error) {
		lookups.Add(1)
		return nil, &net.DNSError{Err: "no such host", Name: "db1", IsNotFound: true}
	}
	for range 2 { // a failure is not cached
		a := c.Do(context.Background(), []Request{get(Endpoint{Host: "db1", Port: 7801})}, Options{})[0]
		if a.Err == nil || a.Err.Class != DNS || !strings.Contains(a.Err.Message, "db1:7801: the name db1 has no address (no such host)") {
			t.Errorf("%v", a.Err)
		}
	}
	if n := lookups.Load(); n != 2 {
		t.Errorf("%d look-ups, want 2", n)
	}
}

func TestResolver_SilentDNS(t *testing.T) {
	noLeaks(t)
	c := client(t)
	c.names.lookup = func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
		<-ctx.Done() // when the client is closed
		return nil, ctx.Err()
	}
	a := c.Do(context.Background(), []Request{get(Endpoint{Host: "db1", Port: 7801})},
		Options{Timeout: 50 * time.Millisecond})[0]
	if a.Err == nil || a.Err.Class != Timeout || !strings.Contains(a.Err.Message, "no answer from DNS within 50ms") {
		t.Errorf("%v", a.Err)
	}
	c.Close()
}

func TestClient_TLS(t *testing.T) {
	noLeaks(t)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok")) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	e := endpointOf(s.Listener.Addr())
	e.Scheme = "https"
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c := New(Config{Security: webSecurity{&tls.Config{RootCAs: roots}}})
	defer c.Close()
	for range 3 {
		if a := c.Do(context.Background(), []Request{get(e)}, Options{})[0]; a.Err != nil || string(a.Body) != "ok" {
			t.Fatalf("%+v, error %v", a, a.Err)
		}
	}
	if c.idle.order.Len() != 1 {
		t.Errorf("%d connections kept, want 1", c.idle.order.Len())
	}

	a := one(t, get(e)) // with the certificate authorities of the system
	if a.Err == nil || a.Err.Class != TLS || !strings.Contains(a.Err.Message, "certificate") {
		t.Errorf("an unknown certificate: %v", a.Err)
	}
	plain := serve(t, "127.24.3.4", text("ok"))
	plain.Scheme = "https"
	if a := one(t, get(plain.Endpoint)); a.Err == nil || a.Err.Class != TLS {
		t.Errorf("https to a plain server: %v", a.Err)
	}
	silent := serve(t, "127.24.3.5", func(c net.Conn) { c.Read(make([]byte, 4096)); c.Read(make([]byte, 1)) })
	r := get(silent.Endpoint)
	r.Endpoint.Scheme, r.Timeout = "https", 100*time.Millisecond
	if a := one(t, r); a.Err == nil || a.Err.Class != Timeout || !strings.Contains(a.Err.Message, "no TLS connection") {
		t.Errorf("a silent handshake: %v", a.Err)
	}
}

func TestClient_TooManyDescriptors(t *testing.T) {
	s := serve(t, "127.24.3.6", text("ok"))
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = 0
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	a := one(t, get(s.Endpoint))
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if a.Err == nil || a.Err.Class != Local || !strings.Contains(a.Err.Message, "ulimit -n") {
		t.Errorf("%+v, error %v", a, a.Err)
	}
}

// Concurrent calls share a client without cancelling each other's requests.
func TestClient_ConcurrentCalls(t *testing.T) {
	noLeaks(t)
	hang := serve(t, "127.24.3.7", func(c net.Conn) { c.Read(make([]byte, 4096)); c.Read(make([]byte, 1)) })
	good := serve(t, "127.24.3.8", text("ok"))
	c := client(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer cancel()
			c.Do(ctx, []Request{get(hang.Endpoint), get(hang.Endpoint)}, Options{})
		})
		wg.Go(func() {
			for _, a := range c.Do(context.Background(), []Request{get(good.Endpoint), get(good.Endpoint)}, Options{}) {
				if a.Err != nil {
					t.Error(a.Err)
				}
			}
		})
	}
	wg.Wait()
}

// slowSecurity takes a while for each handshake and records how many are made at the same time.
type slowSecurity struct{ now, most atomic.Int32 }

func (*slowSecurity) Default(Endpoint) bool { return true }

func (s *slowSecurity) Secure(_ Endpoint, raw net.Conn) (Secure, error) {
	n := s.now.Add(1)
	defer s.now.Add(-1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
	time.Sleep(20 * time.Millisecond)
	return Secure{Conn: raw}, nil
}

// TestClient_HandshakesInTurn makes more secure connections than may be made at once. The wait for the turn does not
// count as time to connect, and ends with the request's time.
func TestClient_HandshakesInTurn(t *testing.T) {
	noLeaks(t)
	s := serve(t, "127.24.3.9", text("ok"))
	s.Scheme = ""
	security := &slowSecurity{}
	c := New(Config{Security: security})
	defer c.Close()
	list := make([]Request, 4*maxHandshakes)
	for i := range list {
		list[i] = get(s.Endpoint)
	}
	for _, a := range c.Do(context.Background(), list, Options{ConnectTimeout: time.Second, Timeout: time.Minute}) {
		if a.Err != nil {
			t.Fatal(a.Err)
		}
	}
	if n := security.most.Load(); n > maxHandshakes {
		t.Errorf("%d handshakes at a time, want at most %d", n, maxHandshakes)
	}
	for range maxHandshakes {
		c.handshakes <- struct{}{}
	}
	c.idle.close()
	a := c.Do(context.Background(), []Request{get(s.Endpoint)}, Options{Timeout: 20 * time.Millisecond})[0]
	if a.Err == nil || a.Err.Class != Timeout || !strings.Contains(a.Err.Message, "busy with other secure connections") {
		t.Errorf("without a turn: %v", a.Err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	if a := c.Do(ctx, []Request{get(s.Endpoint)}, Options{})[0]; a.Err == nil || a.Err.Class != Cancelled {
		t.Errorf("cancelled: %v", a.Err)
	}
}
