package fanout

import (
	"container/list"
	"context"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// conn is a connection to a server.
type conn struct {
	endpoint Endpoint
	// raw is the socket; stream is raw or TLS over it.
	raw       net.Conn
	stream    net.Conn
	secure    Secure // without its Conn; the zero value without TLS
	reason    string // see Config.Reason
	sent      int    // bytes of the current request that the socket has taken
	broken    error  // the error of the last read, or nil
	reused    bool
	idleSince time.Time
	idle      *list.Element // its position in the pool
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

// close closes the socket without sending TLS's close_notify, which could block on a peer that doesn't read.
func (cn *conn) close() { cn.raw.Close() }

// until sets the deadline of the next reads and writes.
func (cn *conn) until(deadline time.Time) *failure {
	if err := cn.raw.SetDeadline(deadline); err != nil {
		cn.close()
		return &failure{connecting, err}
	}
	return nil
}

// alive sets the deadline of the next request and reports whether the server has kept the connection open. Unread bytes
// make it unusable too, except with TLS, where they may be session tickets. They hide the end of the connection from
// recv: before it a server sends TLS's close_notify.
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
		open = err == syscall.EAGAIN || err == nil && n > 0 && cn.stream != cn.raw && !endsAfterUnread(int(fd))
		return true
	})
	return err == nil && open
}

// endsAfterUnread reports whether the server has closed a connection that has unread bytes.
func endsAfterUnread(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	n, err := unix.Poll(p, 0)
	return err != nil || n > 0
}

// flight holds the connection of one worker, so that another goroutine can close it.
type flight struct {
	mu      sync.Mutex
	conn    net.Conn
	aborted bool
}

// hold lets abort close the connection. It closes it and returns false if abort was called before.
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

// dial opens a connection before the deadline. It tries the host's addresses in turn. The flight holds the connection.
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
	cn := &conn{endpoint: e, raw: raw, stream: raw, reason: c.reason}
	if e.Scheme == "https" {
		if err := raw.SetDeadline(deadline); err != nil {
			raw.Close()
			return nil, &failure{connecting, err}
		}
		secure, err := c.security.Secure(e, raw)
		if err != nil {
			raw.Close()
			return nil, &failure{handshaking, err}
		}
		cn.stream, cn.secure = secure.Conn, secure
	}
	return cn, nil
}
