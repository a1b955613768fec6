package etcd

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

const (
	// reservedFiles is the number of open files that connections of clients leave for the instance; etcd's own value.
	reservedFiles = 150
	// maxConnections bounds the connections of clients where the number of open files does not.
	maxConnections = 1 << 20
	// refusedEvery is the shortest interval between two lines of the log about refused connections.
	refusedEvery = time.Minute
)

// connections is a listener that limits the number of open connections. One client address gets at most half of them,
// and a quarter is kept for known clients: processes of this server, among them the instance's own readiness check, and
// the other servers of the store. A connection above the limit of its address is closed at once. If there is no room
// for a connection of another address, one of the address with most connections is closed for it, if that has at least
// two more. So no client can keep others out.
type connections struct {
	net.Listener
	// most is the limit for all clients, perAddress for one client address, kept the share of known clients.
	most, perAddress, kept int
	// known reports whether the share of known clients is open to a connection.
	known  func(local, client netip.Addr) bool
	logger *zap.Logger

	mu sync.Mutex
	// open holds the open connections of each client address.
	open map[netip.Addr]map[*limitedConn]bool
	// all is the number of open connections, strangers that of unknown clients.
	all, strangers int
	// logged is the time of the last line of the log about a refusal.
	logged time.Time
}

// limitedConn is a connection that counts until it is closed.
type limitedConn struct {
	net.Conn
	in     *connections
	client netip.Addr
	known  bool
}

// limitConnections limits a listener to most connections.
func limitConnections(l net.Listener, most int, known func(local, client netip.Addr) bool,
	logger *zap.Logger) *connections {
	return &connections{Listener: l, most: most, perAddress: max(1, most/2), kept: most / 4, known: known,
		logger: logger, open: map[netip.Addr]map[*limitedConn]bool{}}
}

// Accept returns the next connection within the limits.
func (l *connections) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &limitedConn{Conn: accepted, in: l, client: addressOf(accepted.RemoteAddr())}
		c.known = l.known(addressOf(accepted.LocalAddr()), c.client)
		unwanted := l.take(c)
		if unwanted != nil {
			_ = unwanted.Conn.Close()
		}
		if unwanted != c {
			return c, nil
		}
	}
}

// take counts a new connection. It returns the connection to close: the new one if there is no room for it, one that
// makes room, or nil.
func (l *connections) take(c *limitedConn) (unwanted *limitedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case len(l.open[c.client]) >= l.perAddress:
		unwanted = c
	case l.all >= l.most:
		unwanted = l.ofGreediest(c, false)
	case !c.known && l.strangers >= l.most-l.kept:
		unwanted = l.ofGreediest(c, true)
	}
	if unwanted != nil {
		l.logShortage(unwanted.client)
	}
	if unwanted == c {
		return c
	}
	if unwanted != nil {
		l.drop(unwanted)
	}
	if l.open[c.client] == nil {
		l.open[c.client] = map[*limitedConn]bool{}
	}
	l.open[c.client][c] = true
	l.all++
	if !c.known {
		l.strangers++
	}
	return unwanted
}

// ofGreediest returns a connection of the address with most connections, or c if no other address has at least two more
// than that of c. With strangersOnly it leaves the connections of known clients open.
func (l *connections) ofGreediest(c *limitedConn, strangersOnly bool) *limitedConn {
	found, most := c, len(l.open[c.client])+1
	for _, of := range l.open {
		if len(of) <= most {
			continue
		}
		for one := range of { // any; all of one address are known, or none
			if !strangersOnly || !one.known {
				found, most = one, len(of)
			}
			break
		}
	}
	return found
}

// logShortage logs that connections of a client are closed, once in refusedEvery. The caller holds l.mu.
func (l *connections) logShortage(client netip.Addr) {
	now := time.Now()
	if now.Sub(l.logged) < refusedEvery {
		return
	}
	l.logged = now
	l.logger.Warn("too many connections to the client port: closing some of this client", zap.Stringer("client", client),
		zap.Int("connections", len(l.open[client])), zap.Int("limit", l.perAddress),
		zap.Int("of all clients", l.all), zap.Int("limit of all clients", l.most))
}

// drop no longer counts a connection. The caller holds l.mu.
func (l *connections) drop(c *limitedConn) {
	if !l.open[c.client][c] {
		return
	}
	delete(l.open[c.client], c)
	if len(l.open[c.client]) == 0 {
		delete(l.open, c.client)
	}
	l.all--
	if !c.known {
		l.strangers--
	}
}

// Close closes the connection, which then no longer counts.
func (c *limitedConn) Close() error {
	c.in.mu.Lock()
	c.in.drop(c)
	c.in.mu.Unlock()
	return c.Conn.Close()
}

// connectionLimit returns how many connections a client port takes.
func connectionLimit() int {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur > maxConnections {
		return maxConnections
	}
	return max(int(files.Cur)-reservedFiles, 1)
}

// lookupLimit bounds the look-up of the host names in a spec.
const lookupLimit = 10 * time.Second

// knownClients returns a function that reports whether a client is a process of this server or has the address of
// another server of the store, as the spec names them. Names are looked up in the background, until ctx is done.
func knownClients(ctx context.Context, spec engine.Spec) func(local, client netip.Addr) bool {
	var others atomic.Pointer[map[netip.Addr]bool]
	go func() {
		ctx, cancel := context.WithTimeout(ctx, lookupLimit)
		defer cancel()
		found := map[netip.Addr]bool{}
		hosts := append([]string{}, spec.Endpoints...)
		for _, p := range spec.Peers {
			hosts = append(hosts, p.Address)
		}
		for _, address := range hosts {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				continue
			}
			ips, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", host) // a name without an address has no share
			for _, ip := range ips {
				found[ip.Unmap()] = true
			}
		}
		others.Store(&found)
	}()
	return func(local, client netip.Addr) bool {
		if client.IsLoopback() && local.IsLoopback() || client == local {
			return true
		}
		known := others.Load()
		return known != nil && (*known)[client]
	}
}

// addressOf returns the IP address of one end of a connection, or the zero value if it has none.
func addressOf(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap()
}
