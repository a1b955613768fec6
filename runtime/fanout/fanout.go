// Package fanout sends HTTP requests to many servers at the same time and returns the answer or the error of each, in
// the order of the requests.
//
// It speaks HTTP/1.1 with fasthttp's request and response types, but opens the connections itself. fasthttp's clients
// don't report whether a request left the machine, and their requests can't be cancelled; this package cancels a
// request by closing its connection. Answers are not trusted: their size and time are bounded, redirects are not
// followed, and bodies are not decompressed. The package knows nothing of scripts.
package fanout

import (
	"cmp"
	"context"
	"net"
	"syscall"
	"time"

	"dkvrun/runtime/wire"
)

// Bounds of an answer, and the defaults of Options.
const (
	maxHeader      = 16 << 10 // bytes of status line and headers
	maxBody        = 16 << 20 // bytes of body
	defaultTotal   = 1 << 30  // bytes of body of all answers to one call of Do
	defaultTimeout = 30 * time.Second
	// DefaultConnectTimeout allows for one retransmission of a lost packet.
	DefaultConnectTimeout = 5 * time.Second
)

// Request is one HTTP request to one server.
type Request struct {
	Endpoint Endpoint
	Method   string
	// Path begins with a slash and is escaped. It is sent unchanged.
	Path string
	// Query is encoded; empty for none.
	Query string
	// Body is JSON, or nil for none. Many requests may share it: it is neither copied nor changed.
	Body []byte
	// Compressed is true if Body is a result of Compress.
	Compressed bool
	// Manager is the identity of the manager that the request is meant for, empty if it is not known. It is not sent: an
	// answer of that manager shares this text.
	Manager string
	// Idempotent allows the request to be sent twice. GET and HEAD are always idempotent.
	Idempotent bool
	// Timeout bounds the request from the look-up of the name to the last byte; 0 means Options.Timeout.
	Timeout time.Duration
}

// Answer is the result of one request.
type Answer struct {
	// Index is the index of the request.
	Index int
	// Status is the HTTP status; 0 if Err is set.
	Status int
	// Manager is the identity that the answer states in wire.ManagerHeader; empty if no manager has sent it.
	Manager string
	// Health is what the manager says of itself in wire.HealthHeader; empty if it is ready.
	Health wire.Health
	// As says who the request was made as, over a secure connection; empty for nobody.
	As   string
	Body []byte
	// Err is nil when an HTTP response was received, whatever its status.
	Err *Error
	// Attempts is the number of attempts: 0 for a skipped request, more than 1 if a reused connection was closed or
	// a connection could not be made at first.
	Attempts int
	Duration time.Duration
}

// Options configure one call of Do.
type Options struct {
	// Parallel bounds the requests in flight: 1 sends one after the other, 0 as many as this machine allows.
	Parallel int
	// FailFast stops at the first failure: requests in flight are cancelled, the others skipped.
	FailFast bool
	// Timeout bounds each request without a Timeout; 0 means defaultTimeout.
	Timeout time.Duration
	// ConnectTimeout bounds the part of that time until the connection is made; 0 means DefaultConnectTimeout.
	ConnectTimeout time.Duration
	// Failed reports whether FailFast stops at an answer; nil stops at an Err and at every status except 2xx.
	Failed func(Answer) bool
	// OnAnswer is called once for each answer when it arrives, also for skipped requests, by one goroutine at a time. A
	// slow OnAnswer delays other requests.
	OnAnswer func(Answer)
}

// Config holds what all requests of a client share.
type Config struct {
	// Security secures connections to https endpoints; nil trusts the certificate authorities of the system.
	Security Security
	// Reason is sent as wire.ReasonHeader with each request of the admin API, as wire.EncodeReason wrote it; empty for
	// none.
	Reason string
	// Answered, if not nil, is called with each answer before OnAnswer, by several goroutines at a time.
	Answered func(Request, Answer)
	// Total bounds the bytes of all bodies in one call of Do together; 0 means defaultTotal.
	Total int64
	// Control, if not nil, is the net.Dialer's Control for every connection.
	Control func(network, address string, socket syscall.RawConn) error
}

// Client sends requests and reuses connections. It is safe for concurrent use.
type Client struct {
	security Security
	reason   string
	answered func(Request, Answer)
	control  func(network, address string, socket syscall.RawConn) error
	names    resolver
	idle     pool
	stop     context.CancelFunc
	total    int64
	// handshakes has an element for each secure connection that is being made.
	handshakes chan struct{}
}

// New returns a client without connections.
func New(config Config) *Client {
	if config.Security == nil {
		config.Security = webSecurity{}
	}
	ctx, stop := context.WithCancel(context.Background())
	return &Client{
		security: config.Security,
		reason:   config.Reason,
		answered: config.Answered,
		control:  config.Control,
		names:    resolver{ctx: ctx, lookup: net.DefaultResolver.LookupNetIP, names: map[string]*name{}},
		idle:     pool{conns: map[Endpoint][]*conn{}},
		stop:     stop,
		total:    cmp.Or(config.Total, defaultTotal),

		handshakes: make(chan struct{}, maxHandshakes),
	}
}

// Close closes idle connections and cancels look-ups of names. Connections in use are closed when their requests end.
// Later requests work, but don't keep their connections.
func (c *Client) Close() {
	c.stop()
	c.idle.close()
}
