package admin

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"dkvrun/runtime/wire"
)

// secureListener makes the connections of a secured manager speak TLS. http.Server does the handshake, within the time
// for a header. Until its first request a connection is in the state handshaking: its slot is the first to be given up
// when slots are short.
type secureListener struct {
	*slots
	config *tls.Config
	// refusal is the answer to a client that does not speak TLS.
	refusal *wire.Result
}

// Accept returns the next connection that gets a slot, as a *tls.Conn: http.Server does the handshake of no other type.
func (l *secureListener) Accept() (net.Conn, error) {
	c, err := l.slots.Accept()
	if err != nil {
		return nil, err
	}
	p := c.(*slot)
	p.enter(handshaking)
	return l.secure(p), nil
}

// secure returns a connection over TLS. Its handshake is made at the first read.
func (l *secureListener) secure(p *slot) net.Conn {
	return tls.Server(&handshake{slot: p, in: l}, l.config)
}

// handshake is a connection of which the handshake and the first request are not complete. It bounds what the client
// can send until then, and answers a client that does not speak TLS.
type handshake struct {
	*slot
	in       *secureListener
	received int
	done     atomic.Bool
}

const (
	// tlsHandshake is the first byte of a client that speaks TLS: the type of the record with its hello (RFC 8446, 5.1).
	tlsHandshake = 22
	// maxHandshake bounds what a client sends until its first request's header is read, in bytes: a header of 16 KiB and
	// the rest of its TLS record of 16 KiB leave 32 KiB for the handshake.
	maxHandshake = 64 << 10
	// plainTime bounds the time in which a client that does not speak TLS can read its answer. maxPlain bounds what it
	// may have sent of its request, in bytes, which the manager has to take off the connection: else the client could
	// miss the answer.
	plainTime = time.Second
	maxPlain  = 64 << 10
)

var (
	errPlain         = errors.New("the client does not speak TLS")
	errLongHandshake = errors.New("the client sends too much before its first request")
)

// Read reads from the connection.
func (h *handshake) Read(b []byte) (int, error) {
	n, err := h.slot.Read(b)
	if n == 0 || h.done.Load() {
		return n, err
	}
	if h.received == 0 && b[0] != tlsHandshake {
		h.refusePlain()
		return 0, errPlain
	}
	if h.received += n; h.received > maxHandshake {
		return 0, errLongHandshake
	}
	return n, err
}

// refusePlain answers a client that does not speak TLS.
func (h *handshake) refusePlain() {
	if h.SetDeadline(time.Now().Add(plainTime)) != nil || writeRefusal(h.slot, h.in.identity, h.in.refusal) != nil {
		return
	}
	if c, ok := h.slot.Conn.(interface{ CloseWrite() error }); ok && c.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, h.slot, maxPlain)
	}
}

// follow is a hook of http.Server. It follows the state of a connection.
func (l *secureListener) follow(c net.Conn, state http.ConnState) {
	h, ok := handshakeOf(c)
	if !ok {
		l.slots.follow(c, state)
		return
	}
	if state == http.StateActive {
		h.done.Store(true)
	}
	l.slots.follow(h.slot, state)
}

// firstByteTime bounds the time in which a client of a manager that takes plain connections as well sends its first
// byte.
const firstByteTime = 5 * time.Second

// eitherListener makes the connections of a secured manager speak TLS, or leaves them plain, as the client begins:
// http.Server has to know it before it reads. The first byte of each connection is read in the background.
type eitherListener struct {
	secureListener
	ready  chan net.Conn
	failed chan error
	closed chan struct{}
	once   sync.Once
}

func newEitherListener(l secureListener) *eitherListener {
	e := &eitherListener{secureListener: l, ready: make(chan net.Conn), failed: make(chan error, 1),
		closed: make(chan struct{})}
	go e.run()
	return e
}

// run accepts connections until the listener is closed.
func (e *eitherListener) run() {
	for {
		c, err := e.slots.Accept()
		if err != nil {
			e.failed <- err
			return
		}
		p := c.(*slot)
		p.enter(handshaking)
		go e.begin(p)
	}
}

// begin reads the first byte of a connection and hands it on.
func (e *eitherListener) begin(p *slot) {
	var c net.Conn = p
	first := make([]byte, 1)
	err := p.SetReadDeadline(time.Now().Add(firstByteTime))
	if err == nil {
		_, err = p.Conn.Read(first)
	}
	if err == nil {
		err = p.SetReadDeadline(time.Time{})
	}
	if err != nil {
		_ = p.Close()
		return
	}
	p.first = first
	if first[0] == tlsHandshake {
		c = e.secure(p)
	} else {
		p.enter(fresh)
	}
	select {
	case e.ready <- c:
	case <-e.closed:
		_ = p.Close()
	}
}

// Accept returns the next connection that has begun: a *tls.Conn, or a plain one.
func (e *eitherListener) Accept() (net.Conn, error) {
	select {
	case c := <-e.ready:
		return c, nil
	case err := <-e.failed:
		return nil, err
	case <-e.closed:
		return nil, net.ErrClosed
	}
}

// Close ends the listener. Its connections stay open.
func (e *eitherListener) Close() error {
	e.once.Do(func() { close(e.closed) })
	return e.slots.Close()
}

// handshakeOf returns the connection below a TLS connection of a secureListener.
func handshakeOf(c net.Conn) (*handshake, bool) {
	secured, ok := c.(*tls.Conn)
	if !ok {
		return nil, false
	}
	h, ok := secured.NetConn().(*handshake)
	return h, ok
}
