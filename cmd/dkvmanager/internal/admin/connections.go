package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// connState is the state of a connection. Connections in lower states are closed first when slots are short.
type connState int

const (
	handshaking connState = iota // of a secured manager: the first request has not come yet
	idle                         // between two requests
	fresh                        // accepted, and nothing was received yet
	reading                      // a request has begun, and is not complete
	answering                    // the client is being sent the response, and may not read it
	serving                      // a whole request is being handled; the connection keeps its slot
)

// slots is a listener that limits the number of open connections. Each takes a slot. One client address gets at most
// perAddress slots, and some are reserved for known clients. When no slot is free for a new connection, another one
// is closed: of the same client address if that has reached its limit, else of the address with the most connections.
// Of these it is one in the lowest state below serving, the one that has been in that state for the longest time. If
// all are serving, the new connection is refused with too_busy. So no client can keep others out with connections that
// it does not use.
type slots struct {
	net.Listener
	// most is the number of slots, perAddress the limit for one client address, kept the number of slots that are
	// reserved for known clients.
	most, perAddress, kept int
	// known reports whether the reserved slots are open to a client address.
	known func(netip.Addr) bool
	// identity is that of the manager, which every refusal states.
	identity string
	// secured means that the clients speak TLS.
	secured bool

	mu sync.Mutex
	// open holds the open connections of each client address.
	open map[netip.Addr]map[*slot]bool
	// all is the number of open connections, strangers the number of those from unknown clients.
	all, strangers int
	// clock counts the changes of state; it orders connections by how long they are in their states.
	clock uint64
}

// slot is one connection.
type slot struct {
	net.Conn
	in    *slots
	from  netip.Addr
	known bool
	// state, and since, the value of slots.clock when the state was set, are guarded by slots.mu. taken is false once
	// the slot was given up.
	state connState
	since uint64
	taken bool
	// first is what was read of the connection before it was handed on.
	first []byte
	// peer is the client whose certificate was accepted, or nil.
	peer atomic.Pointer[identity.Peer]
}

// newSlots limits a listener to most connections: one client address gets at most half of them, and a quarter is
// reserved for known clients. The limit for one address is high because a runner may send one request for each instance
// of a store at the same time.
func newSlots(l net.Listener, most int, known func(netip.Addr) bool, identity string) *slots {
	return &slots{Listener: l, most: most, perAddress: max(1, most/2), kept: most / 4, known: known, identity: identity,
		open: map[netip.Addr]map[*slot]bool{}}
}

// Accept returns the next connection that gets a slot.
func (l *slots) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := clientAddress(c.RemoteAddr())
		p := &slot{Conn: c, in: l, from: from, known: l.known(from), state: fresh, taken: true}
		victim, refusal := l.take(p)
		if victim != nil {
			_ = victim.Conn.Close()
		}
		if refusal == nil {
			return p, nil
		}
		if l.secured { // it expects no text before the handshake
			_ = c.Close()
			continue
		}
		refuseConnection(c, l.identity, refusal)
	}
}

// take gives p a slot. It returns the connection whose slot p has got, which the caller must close, or why there is
// no slot.
func (l *slots) take(p *slot) (victim *slot, refusal *wire.Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case len(l.open[p.from]) >= l.perAddress:
		if victim = oldest(l.open[p.from]); victim == nil {
			return nil, wire.Refuse(wire.CodeTooBusy,
				"%d requests from %s are being handled already: try again later", l.perAddress, p.from)
		}
	case l.all >= l.most || !p.known && l.strangers >= l.most-l.kept:
		if victim = l.idlest(l.all < l.most); victim == nil {
			return nil, wire.Refuse(wire.CodeTooBusy, "%d requests are being handled already: try again later", l.all)
		}
	}
	if victim != nil {
		l.drop(victim)
	}
	if l.open[p.from] == nil {
		l.open[p.from] = map[*slot]bool{}
	}
	l.open[p.from][p] = true
	l.all++
	if !p.known {
		l.strangers++
	}
	l.clock++
	p.since = l.clock
	return victim, nil
}

// idlest returns the connection to close when no slot is free, or nil if all are serving requests. With strangersOnly
// it leaves the connections of known clients open.
func (l *slots) idlest(strangersOnly bool) *slot {
	var found *slot
	most := 0
	for _, of := range l.open {
		if p := oldest(of); p != nil && len(of) > most && !(strangersOnly && p.known) {
			found, most = p, len(of)
		}
	}
	return found
}

// oldest returns the connection of the lowest state below serving that has been in it for the longest time, or nil.
func oldest(of map[*slot]bool) *slot {
	var found *slot
	for p := range of {
		if p.state != serving && (found == nil || p.state < found.state || p.state == found.state && p.since < found.since) {
			found = p
		}
	}
	return found
}

// drop gives up a slot. The caller holds l.mu.
func (l *slots) drop(p *slot) {
	if !p.taken {
		return
	}
	p.taken = false
	delete(l.open[p.from], p)
	if len(l.open[p.from]) == 0 {
		delete(l.open, p.from)
	}
	l.all--
	if !p.known {
		l.strangers--
	}
}

// Close closes the connection and gives up its slot.
func (p *slot) Close() error {
	p.in.mu.Lock()
	p.in.drop(p)
	p.in.mu.Unlock()
	return p.Conn.Close()
}

// Read reads from the connection.
func (p *slot) Read(b []byte) (int, error) {
	if len(p.first) > 0 && len(b) > 0 {
		n := copy(b, p.first)
		p.first = p.first[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// clients returns the URIs of the clients with an open connection of whom a function reports true, in order.
func (l *slots) clients(are func(*identity.Peer) bool) []string {
	l.mu.Lock()
	var peers []*identity.Peer
	for _, of := range l.open {
		for p := range of {
			if peer := p.peer.Load(); peer != nil {
				peers = append(peers, peer)
			}
		}
	}
	l.mu.Unlock()
	var out []string
	for _, peer := range peers {
		if are(peer) {
			out = append(out, peer.Identity.String())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// enter sets the state.
func (p *slot) enter(next connState) {
	p.in.mu.Lock()
	defer p.in.mu.Unlock()
	p.in.clock++
	p.state, p.since = next, p.in.clock
}

// follow is a hook of http.Server. It follows the state of a connection.
func (l *slots) follow(c net.Conn, state http.ConnState) {
	p, ok := c.(*slot)
	switch {
	case !ok:
	case state == http.StateActive:
		p.enter(reading)
	case state == http.StateIdle:
		p.enter(idle)
	}
}

// slotKey is the key of a request's connection in its context.
type slotKey struct{}

// withPlace is a hook of http.Server. It makes a connection known to the handlers of its requests.
func withPlace(ctx context.Context, c net.Conn) context.Context {
	if h, ok := handshakeOf(c); ok {
		c = h.slot
	}
	return context.WithValue(ctx, slotKey{}, c)
}

// slotOf returns the slot of a request's connection, or nil.
func slotOf(ctx context.Context) *slot {
	p, _ := ctx.Value(slotKey{}).(*slot)
	return p
}

// enterState sets the state of a request's connection.
func enterState(ctx context.Context, next connState) {
	if p := slotOf(ctx); p != nil {
		p.enter(next)
	}
}

// clientAddress returns the IP address of a client, or the zero value if it has none.
func clientAddress(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap()
}

// refuseConnection answers a connection that gets no slot, and closes it. It doesn't wait: the answer fits into the
// socket's buffer.
func refuseConnection(c net.Conn, identity string, refusal *wire.Result) {
	if c.SetWriteDeadline(time.Now().Add(10*time.Millisecond)) == nil {
		_ = writeRefusal(c, identity, refusal)
	}
	_ = c.Close()
}

// writeRefusal answers a connection of which no request is read.
func writeRefusal(c net.Conn, identity string, refusal *wire.Result) error {
	named := *refusal
	named.Action, named.Manager = "Request", identity
	body, err := json.Marshal(named)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c, "HTTP/1.1 %d %s\r\n%s: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"+
		"Connection: close\r\n\r\n%s", named.StatusCode, http.StatusText(named.StatusCode),
		wire.ManagerHeader, identity, len(body), body)
	return err
}
