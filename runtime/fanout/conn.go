package fanout

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// conn is one connection to one server.
type conn struct {
	endpoint Endpoint
	// raw is the socket; stream is raw or TLS over it.
	raw       net.Conn
	stream    net.Conn
	sent      int   // bytes of the current request that the socket has taken
	broken    error // what the last read ended with
	reused    bool
	idleSince time.Time
	idle      *list.Element // its place in the pool
}

func (cn *conn) Read(p []byte) (int, error) {
	n, err := cn.stream.Read(p)
	cn.broken = err
	return n, err
}

func (cn *conn) Write(p []byte) (int, error) {
	n, err := cn.stream.Write(p)
	cn.sent += n
	return n, err
}

// close doesn't say goodbye in TLS: that could wait for a peer that doesn't read.
func (cn *conn) close() { cn.raw.Close() }

// until sets the deadline of what comes next on the connection.
func (cn *conn) until(deadline time.Time) *failure {
	if err := cn.raw.SetDeadline(deadline); err != nil {
		cn.close()
		return &failure{connecting, err}
	}
	return nil
}

// alive sets the deadline of the next request and says whether the server has left the connection
// open. Bytes that nobody asked for make it unusable too; in TLS they may be session tickets.
func (cn *conn) alive(deadline time.Time) bool {
	if cn.raw.SetDeadline(deadline) != nil {
		return false
	}
	socket, err := cn.raw.(syscall.Conn).SyscallConn()
	if err != nil {
		return false
	}
	open := false
	err = socket.Read(func(fd uintptr) bool {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		open = err == syscall.EAGAIN || err == nil && n > 0 && cn.stream != cn.raw
		return true
	})
	return err == nil && open
}

// flight is what one worker has open, so that it can be cut off from outside.
type flight struct {
	mu      sync.Mutex
	conn    net.Conn
	aborted bool
}

// hold makes the connection closable by abort. False: abort came first, and the connection is closed.
func (f *flight) hold(raw net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.aborted {
		raw.Close()
		return false
	}
	f.conn = raw
	return true
}

func (f *flight) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conn = nil
}

func (f *flight) abort() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.aborted = true
	if f.conn != nil {
		f.conn.Close()
	}
}

// dial opens a connection until the deadline, by trying the host's addresses in turn. It is held by the
// flight.
func (c *Client) dial(ctx context.Context, f *flight, e Endpoint, deadline time.Time) (*conn, *failure) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	addrs, err := c.names.resolve(ctx, e.Host)
	if err != nil {
		return nil, &failure{resolving, err}
	}
	var raw net.Conn
	for i, addr := range addrs {
		share := time.Until(deadline) / time.Duration(len(addrs)-i)
		dialer := net.Dialer{KeepAlive: -1, Timeout: max(share, 1), Control: c.control} // its DialTCP would bind a port first
		raw, err = dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, uint16(e.Port)).String())
		if err == nil {
			break
		}
	}
	if err != nil {
		return nil, &failure{connecting, err}
	}
	if !f.hold(raw) {
		return nil, &failure{connecting, net.ErrClosed}
	}
	cn := &conn{endpoint: e, raw: raw, stream: raw}
	if e.Scheme == "https" {
		if err := raw.SetDeadline(deadline); err != nil {
			raw.Close()
			return nil, &failure{connecting, err}
		}
		config := c.tls.Clone()
		if config == nil {
			config = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		config.ServerName = e.Host
		secure := tls.Client(raw, config)
		if err := secure.Handshake(); err != nil {
			raw.Close()
			return nil, &failure{handshaking, err}
		}
		cn.stream = secure
	}
	return cn, nil
}
