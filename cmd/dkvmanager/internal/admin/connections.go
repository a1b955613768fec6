package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"dkvrun/runtime/wire"
)

// connState is the state of a connection. Connections in lower states are closed first when places are short.
type connState int

const (
	idle      connState = iota // between two requests
	fresh                      // accepted, and nothing was received yet
	reading                    // a request has begun, and is not complete
	answering                  // the client is being sent the response, and may not read it
	serving                    // a whole request is being handled; the connection keeps its place
)

// places is a listener that limits the number of open connections. Each takes a place. One client address gets at most
// perAddress places, and some are reserved for known clients. When no place is free for a new connection, another one
// is closed: of the same client address if that has reached its limit, else of the address with the most connections.
// Of these it is one in the lowest state below serving, the one that has been in that state for the longest time. If
// all are serving, the new connection is refused with too_busy. So no client can keep others out with connections that
// it does not use.
type places struct {
	net.Listener
	// most is the number of places, perAddress the limit for one client address, kept the number of places that are
	// reserved for known clients.
	most, perAddress, kept int
	// known reports whether the reserved places are open to a client address.
	known func(netip.Addr) bool

	mu sync.Mutex
	// open holds the open connections of each client address.
	open map[netip.Addr]map[*place]bool
	// all is the number of open connections, strangers the number of those from unknown clients.
	all, strangers int
	// clock counts the changes of state; it orders connections by how long they are in their states.
	clock uint64
}

// place is one connection.
type place struct {
	net.Conn
	in    *places
	from  netip.Addr
	known bool
	// state, and since, the value of places.clock when the state was set, are guarded by places.mu. taken is false once
	// the place was given up.
	state connState
	since uint64
	taken bool
}

// newPlaces limits a listener to most connections: one client address gets at most half of them, and a quarter is
// reserved for known clients. The limit for one address is high because a runner may send one request for each instance
// of a store at the same time.
func newPlaces(l net.Listener, most int, known func(netip.Addr) bool) *places {
	return &places{Listener: l, most: most, perAddress: max(1, most/2), kept: most / 4, known: known,
		open: map[netip.Addr]map[*place]bool{}}
}

// Accept returns the next connection that gets a place.
func (l *places) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := clientAddress(c.RemoteAddr())
		p := &place{Conn: c, in: l, from: from, known: l.known(from), state: fresh, taken: true}
		victim, refusal := l.take(p)
		if victim != nil {
			_ = victim.Conn.Close()
		}
		if refusal == nil {
			return p, nil
		}
		refuseConnection(c, refusal)
	}
}

// take gives p a place. It returns the connection whose place p has got, which the caller must close, or why there is
// no place.
func (l *places) take(p *place) (victim *place, refusal *wire.Result) {
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
		l.open[p.from] = map[*place]bool{}
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

// idlest returns the connection to close when no place is free, or nil if all are serving requests. With strangersOnly
// it leaves the connections of known clients open.
func (l *places) idlest(strangersOnly bool) *place {
	var found *place
	most := 0
	for _, of := range l.open {
		if p := oldest(of); p != nil && len(of) > most && !(strangersOnly && p.known) {
			found, most = p, len(of)
		}
	}
	return found
}

// oldest returns the connection of the lowest state below serving that has been in it for the longest time, or nil.
func oldest(of map[*place]bool) *place {
	var found *place
	for p := range of {
		if p.state != serving && (found == nil || p.state < found.state || p.state == found.state && p.since < found.since) {
			found = p
		}
	}
	return found
}

// drop gives up a place. The caller holds l.mu.
func (l *places) drop(p *place) {
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

// Close closes the connection and gives up its place.
func (p *place) Close() error {
	p.in.mu.Lock()
	p.in.drop(p)
	p.in.mu.Unlock()
	return p.Conn.Close()
}

// enter sets the state.
func (p *place) enter(next connState) {
	p.in.mu.Lock()
	defer p.in.mu.Unlock()
	p.in.clock++
	p.state, p.since = next, p.in.clock
}

// follow is a hook of http.Server. It follows the state of a connection.
func (l *places) follow(c net.Conn, state http.ConnState) {
	p, ok := c.(*place)
	switch {
	case !ok:
	case state == http.StateActive:
		p.enter(reading)
	case state == http.StateIdle:
		p.enter(idle)
	}
}

// placeKey is the key of a request's connection in its context.
type placeKey struct{}

// withPlace is a hook of http.Server. It makes a connection known to the handlers of its requests.
func withPlace(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, placeKey{}, c)
}

// enterState sets the state of a request's connection.
func enterState(ctx context.Context, next connState) {
	if p, ok := ctx.Value(placeKey{}).(*place); ok {
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

// refuseConnection answers a connection that gets no place, and closes it. It doesn't wait: the answer fits into the
// socket's buffer.
func refuseConnection(c net.Conn, refusal *wire.Result) {
	refusal.Action = "Request"
	body, err := json.Marshal(refusal)
	if err == nil && c.SetWriteDeadline(time.Now().Add(10*time.Millisecond)) == nil {
		_, _ = fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
			refusal.StatusCode, http.StatusText(refusal.StatusCode), len(body), body)
	}
	_ = c.Close()
}
