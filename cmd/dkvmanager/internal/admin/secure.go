package admin

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
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
	return tls.Server(&handshake{slot: p, in: l}, l.config), nil
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
	if h, ok := handshakeOf(c); ok {
		if state == http.StateActive {
			h.done.Store(true)
		}
		l.slots.follow(h.slot, state)
	}
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
