// Package fanout asks many servers at once over HTTP and gives each one's answer, or what went wrong
// with it, in the order of the questions.
//
// It speaks HTTP/1.1 in fasthttp's requests and responses, over connections of its own: fasthttp's
// clients neither tell whether a request left the machine nor can be stopped, and a connection that
// the caller holds can be closed. What comes back isn't trusted: its size and its time are bounded,
// redirects are not followed, and nothing is inflated. It knows nothing of scripts.
package fanout

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"syscall"
	"time"
)

// Bounds on what a server may answer, and the defaults of Options.
const (
	MaxHeader      = 16 << 10 // bytes of status line and headers
	MaxBody        = 16 << 20 // bytes of body
	DefaultTotal   = 1 << 30  // bytes of body of all answers to one call of Do
	DefaultTimeout = 30 * time.Second
	// DefaultConnectTimeout is enough for a second try of a lost packet.
	DefaultConnectTimeout = 5 * time.Second
)

// Request is one question to one server.
type Request struct {
	Endpoint Endpoint
	Method   string
	// Path begins with a slash, is escaped already, and is sent byte for byte.
	Path string
	// Query is encoded already; empty for none.
	Query string
	// Body is JSON and may be shared by many requests: it is never copied nor changed. Nil for none.
	Body []byte
	// Compressed says that Body is what Compress made.
	Compressed bool
	// Idempotent says that the request does no harm if the server gets it twice; GET and HEAD always are.
	Idempotent bool
	// Timeout is for the whole answer, from the name's look-up to the last byte; 0 takes Options.Timeout.
	Timeout time.Duration
}

// Answer is what became of one request.
type Answer struct {
	// Index is the request's place in the list.
	Index int
	// Status is HTTP's; 0 where Err is set.
	Status int
	Body   []byte
	// Err is nil when HTTP came back, whatever the status.
	Err *Error
	// Attempts counts how often the request was begun: 0 for one that was skipped, more than 1 where a
	// connection kept from an earlier request turned out to be dead or none came about at first.
	Attempts int
	Duration time.Duration
}

// Options say how a list of requests is worked off.
type Options struct {
	// Parallel is the most requests in flight: 1 for one after the other, 0 for as many as this machine
	// can carry.
	Parallel int
	// FailFast ends the work at the first failure: what is in flight is cancelled, the rest skipped.
	FailFast bool
	// Timeout bounds each answer that has none of its own; 0 for DefaultTimeout.
	Timeout time.Duration
	// ConnectTimeout is how much of it may pass until there is a connection; 0 for
	// DefaultConnectTimeout.
	ConnectTimeout time.Duration
	// Failed decides what FailFast stops at; nil stops at an Err and at every status but 2xx.
	Failed func(Answer) bool
	// OnAnswer is called once for each request as its answer arrives, skipped ones included, never by
	// two goroutines at a time. It holds up the work while it runs.
	OnAnswer func(Answer)
}

// Config is what all requests of a client share.
type Config struct {
	// TLS is for https endpoints; nil trusts the system's roots. ServerName is set for each endpoint.
	TLS *tls.Config
	// Answered, where set, is called with each answer before Do hands it on; several at a time.
	Answered func(Request, Answer)
	// Total is how many bytes of body all answers to one call of Do may have together; 0 means DefaultTotal.
	Total int64
	// Control, where set, is the net.Dialer's for every connection.
	Control func(network, address string, socket syscall.RawConn) error
}

// Client keeps connections between requests. It is safe for concurrent use.
type Client struct {
	tls     *tls.Config
	told    func(Request, Answer)
	control func(network, address string, socket syscall.RawConn) error
	names   resolver
	idle    pool
	stop    context.CancelFunc
	total   int64
}

// New makes a client. It opens nothing yet.
func New(config Config) *Client {
	ctx, stop := context.WithCancel(context.Background())
	return &Client{
		tls:     config.TLS,
		told:    config.Answered,
		control: config.Control,
		names:   resolver{ctx: ctx, lookup: net.DefaultResolver.LookupNetIP, names: map[string]*name{}},
		idle:    pool{conns: map[Endpoint][]*conn{}},
		stop:    stop,
		total:   cmp.Or(config.Total, DefaultTotal),
	}
}

// Close closes the connections that are kept and ends look-ups of names; those in use are closed as
// their requests end. Requests after it still work, but keep no connection.
func (c *Client) Close() {
	c.stop()
	c.idle.close()
}
