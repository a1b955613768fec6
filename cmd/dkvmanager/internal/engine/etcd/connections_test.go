package etcd

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"go.uber.org/zap"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

// One client gets half of the connections, and a quarter is kept for known clients. If there is no room, the client
// with most connections gives one up.
func TestConnections_SharesOfClients(t *testing.T) {
	l := limitConnections(nil, 16, nil, zap.NewNop())
	conns := map[string][]*limitedConn{}
	// take opens connections and counts those that are let in, and those that are closed for them.
	take := func(client string, known bool, times, want int, closed map[string]int) {
		t.Helper()
		got, gone := 0, map[string]int{}
		for range times {
			c := &limitedConn{in: l, client: netip.MustParseAddr(client), known: known}
			unwanted := l.take(c)
			if unwanted == c {
				continue
			}
			got++
			conns[client] = append(conns[client], c)
			if unwanted != nil {
				gone[unwanted.client.String()]++
			}
		}
		if got != want || !maps.Equal(gone, closed) {
			t.Errorf("%s: %d of %d connections were let in, want %d; closed for them %v, want %v", client, got, times, want, gone, closed)
		}
	}
	const heavy, second, third, manager = "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.11"
	take(heavy, false, 20, 8, nil)
	take(second, false, 4, 4, nil) // all that are not kept
	take(third, false, 1, 1, map[string]int{heavy: 1})
	take(second, false, 9, 1, map[string]int{heavy: 1}) // then it has nearly as many itself
	take(manager, true, 4, 4, nil)
	if l.all != 16 || l.strangers != 12 {
		t.Fatalf("%d connections, %d of strangers", l.all, l.strangers)
	}
	for _, c := range conns[manager] {
		l.drop(c)
		l.drop(c) // counts once
	}
	if l.all != 12 || l.strangers != 12 || len(l.open) != 3 {
		t.Errorf("%d connections, %d of strangers, by client %v", l.all, l.strangers, l.open)
	}
	// Known clients give up none for a stranger.
	take(manager, true, 4, 4, nil)
	take("10.0.0.12", true, 9, 3, map[string]int{heavy: 2, second: 1})
}

// A connection above the limit is closed, and one that was closed, even twice, makes room for one other.
func TestConnections_CloseWhatIsAboveTheLimit(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	limited := limitConnections(listener, 4, knownClients(t.Context(), engine.Spec{}), zap.NewNop())
	accepted := make(chan net.Conn, 10)
	go func() {
		for {
			c, err := limited.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func(from string) net.Conn {
		t.Helper()
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: clientLimit}
		c, err := d.DialContext(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	dial("127.0.0.2")
	dial("127.0.0.2")
	first := <-accepted
	<-accepted
	third := dial("127.0.0.2")
	if err := third.SetReadDeadline(time.Now().Add(clientLimit)); err != nil {
		t.Fatal(err)
	}
	if _, err := third.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a third connection of one client: %v", err)
	}
	dial("127.0.0.3")
	<-accepted // another client is let in
	for range 2 {
		_ = first.Close()
	}
	dial("127.0.0.2")
	<-accepted
	if third = dial("127.0.0.2"); third.SetReadDeadline(time.Now().Add(clientLimit)) != nil {
		t.Fatal("no deadline")
	}
	if _, err := third.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after one was closed twice: %v", err)
	}
}

// Known are the processes of this server and the servers that the spec names.
func TestConnections_KnownClients(t *testing.T) {
	known := knownClients(context.Background(), engine.Spec{
		Endpoints: []string{"10.0.0.12:7861", "localhost:7861"},
		Peers:     []engine.Peer{{Name: "orders-3", Address: "[fd00::3]:7811"}},
	})
	at := netip.MustParseAddr
	local := at("10.0.0.11")
	for end := time.Now().Add(clientLimit); !known(local, at("10.0.0.12")); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("an endpoint of the spec is unknown")
		}
	}
	for client, want := range map[string]bool{"10.0.0.11": true, "fd00::3": true, "10.0.0.13": false} {
		if known(local, at(client)) != want {
			t.Errorf("%s: known is %v", client, !want)
		}
	}
	if !known(at("127.0.0.1"), at("127.0.0.5")) {
		t.Error("a client over loopback is unknown")
	}
}
