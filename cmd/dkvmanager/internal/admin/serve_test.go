package admin

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dkvrun/runtime/wire"
)

// serveHarness returns a harness whose API is served as a manager serves it, with limits that change may make small.
func serveHarness(t *testing.T, address string, change func(*API)) (*harness, *countingListener) {
	t.Helper()
	b := newHarness(t)
	change(b.api)
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	conns := &countingListener{Listener: listener}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.api.Serve(ctx, conns, time.Second) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return b, conns
}

// countingListener counts its open connections.
type countingListener struct {
	net.Listener
	open, most atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	for n := l.open.Add(1); ; {
		most := l.most.Load()
		if n <= most || l.most.CompareAndSwap(most, n) {
			break
		}
	}
	return &countedConn{Conn: c, open: &l.open}, nil
}

type countedConn struct {
	net.Conn
	open   *atomic.Int64
	closed sync.Once
}

func (c *countedConn) Close() error {
	c.closed.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

// say sends bytes over a new connection, which ends with the test.
func say(t *testing.T, l net.Listener, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// A client that announces a body and never sends it loses its connection, whatever else is wrong with its request.
func TestServe_SlowBody(t *testing.T) {
	_, l := serveHarness(t, "127.58.2.1:0", func(a *API) { a.bodies.timeout = 50 * time.Millisecond })
	for _, head := range []string{
		"POST " + wire.StoresPath(), "POST /nowhere", "PUT " + wire.StoresPath(), "POST " + wire.StorePath("1") + "/settle",
		"POST " + wire.StoresPath() + "?x=1", "OPTIONS *", "POST " + wire.StoresPath() + " HTTP/1.1\r\nOrigin: http://evil.example",
		"POST " + wire.StoresPath() + " HTTP/1.1\r\nContent-Encoding: br", "GET " + wire.HealthPath(),
	} {
		if !strings.Contains(head, "HTTP/1.1") {
			head += " HTTP/1.1"
		}
		for _, length := range []string{"Content-Length: 100\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n"} {
			c := say(t, l, head+"\r\nHost: x\r\n"+length)
			if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(c); err != nil {
				t.Errorf("%q: still open after %q: %v", head+" "+length, got, err)
			}
		}
	}
}

// A client that begins a header and does not complete it in time loses its connection.
func TestServe_SlowHeader(t *testing.T) {
	_, l := serveHarness(t, "127.58.2.4:0", func(a *API) { a.limits.headerTime = 50 * time.Millisecond })
	c := say(t, l, "GET "+wire.HealthPath()+" HTTP/1.1\r\nHost:")
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil {
		t.Errorf("still open after %q: %v", got, err)
	}
	if limit := standardLimits().headerTime; limit != 5*time.Second {
		t.Errorf("a manager waits %s for a header", limit)
	}
}

// Connections of one address that send nothing do not shut out other clients, and never hold more slots than one
// address may have.
func TestServe_SilentConnectionsGiveWay(t *testing.T) {
	const most = 16
	_, l := serveHarness(t, "127.58.2.2:0", func(a *API) { a.limits.connections = most })
	for range most + 10 {
		say(t, l, "")
	}
	resp, err := (&http.Client{Timeout: 4 * time.Second}).Get("http://" + l.Addr().String() + wire.HealthPath())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	// The next connection is accepted before another one is closed for it.
	if resp.StatusCode != http.StatusOK || l.most.Load() > most/2+1 {
		t.Errorf("status %d with up to %d connections, want 200 with %d", resp.StatusCode, l.most.Load(), most/2)
	}
}

// Clients must leave file descriptors for the catalog.
func TestServe_LeavesFileDescriptors(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	for files, want := range map[uint64]int{limit.Cur: int(min(maxConns, limit.Cur/2)), 600: 300} {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: files, Max: limit.Max}); err != nil {
			t.Fatal(err)
		}
		if got := connections(); got != want {
			t.Errorf("%d connections with %d files, want %d", got, files, want)
		}
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
}

func TestServe_LargeBodiesTakeTurns(t *testing.T) {
	const most, large, slots = 64 << 10, 4 << 10, 3
	b, l := serveHarness(t, "127.58.2.3:0", func(a *API) {
		a.bodies.most, a.bodies.large, a.bodies.slots = most, large, newLargeBodies(slots)
	})
	post := func(size int) string {
		t.Helper()
		body := strings.Repeat(" ", size) + "{}"
		resp, err := http.Post("http://"+l.Addr().String()+wire.StoresPath(), "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d %s", resp.StatusCode, text)
	}
	for range 2 * slots { // a slot is released, whatever is wrong with the request
		if got := post(large); !strings.Contains(got, wire.CodeBadName) {
			t.Fatal(got)
		}
		if got := post(most); !strings.Contains(got, wire.CodeBodyTooLarge) {
			t.Fatal(got)
		}
	}
	for i := range slots {
		other := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
		slot, err := b.api.bodies.slots.acquire(other, time.Second, nil)
		if err != nil || !b.api.bodies.slots.moved(slot) { // these are being handled
			t.Fatal(err)
		}
	}
	b.api.bodies.timeout = 100 * time.Millisecond
	if got := post(large); !strings.HasPrefix(got, "503") || !strings.Contains(got, wire.CodeTooBusy) {
		t.Errorf("more large bodies than there are slots: %s", got)
	}
	if got := post(100); !strings.Contains(got, wire.CodeBadName) {
		t.Errorf("a small body beside large ones: %s", got)
	}
}
