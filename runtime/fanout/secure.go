package fanout

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// Security makes secure connections to servers. Its methods are called concurrently.
type Security interface {
	// Default reports whether an endpoint without a scheme is https.
	Default(Endpoint) bool
	// Secure makes TLS over a new connection, whose deadline is set. Errors that are a *SecurityError have a class and a
	// message of their own. The caller closes the connection after an error.
	Secure(Endpoint, net.Conn) (Secure, error)
}

// Secure is a secure connection.
type Secure struct {
	Conn net.Conn
	// Manager is the identity of the manager, as its certificate proves it; empty if the certificate has none.
	Manager string
	// Authorization is sent as the header of this name with every request; empty for none.
	Authorization string
	// As says who the client is taken for, for people and programs; empty for nobody.
	As string
}

// SecurityError is the reason why there is no secure connection.
type SecurityError struct {
	// Class becomes the class of the Error.
	Class string
	// Message is one line without the endpoint, and Hint says what to do.
	Message, Hint string
	// As says who the client is.
	As    string
	Cause error
}

func (e *SecurityError) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *SecurityError) Unwrap() error { return e.Cause }

// webSecurity trusts the certificate authorities of the system, as browsers do.
type webSecurity struct{ config *tls.Config }

func (webSecurity) Default(Endpoint) bool { return false }

func (s webSecurity) Secure(e Endpoint, raw net.Conn) (Secure, error) {
	config := s.config.Clone()
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	config.ServerName = e.Host
	conn := tls.Client(raw, config)
	return Secure{Conn: conn}, conn.Handshake()
}

// maxHandshakes bounds the secure connections that are made at the same time. A handshake takes about a millisecond of
// a processor. Of more than a busy machine can make in DefaultConnectTimeout, none would be made in time.
const maxHandshakes = 128

// connect opens a connection before the deadline. The time limit for connections begins when it is the endpoint's turn.
func (c *Client) connect(ctx context.Context, f *flight, e Endpoint, deadline time.Time, l limits) (*conn, *failure) {
	if e.Scheme == "https" {
		if failed := c.turn(ctx, deadline); failed != nil {
			return nil, failed
		}
		defer func() { <-c.handshakes }()
	}
	return c.dial(ctx, f, e, earlier(deadline, time.Now().Add(l.connect)))
}

// turn waits until another secure connection may be made.
func (c *Client) turn(ctx context.Context, deadline time.Time) *failure {
	select {
	case c.handshakes <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case c.handshakes <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &failure{connecting, ctx.Err()}
	case <-timer.C:
		return &failure{connecting, &SecurityError{
			Class: Timeout, Message: "not connected in time: this machine was busy with other secure connections"}}
	}
}

// Resolve returns the endpoint with its scheme: an endpoint without one is https if the client's Security says so.
func (c *Client) Resolve(e Endpoint) Endpoint {
	if e.Scheme != "" {
		return e
	}
	e.Scheme = "http"
	if c.security.Default(e) {
		e.Scheme = "https"
	}
	return e
}

// Same reports whether two lists name the same endpoints in the same order.
func (c *Client) Same(a, b []Endpoint) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && c.Resolve(a[i]) != c.Resolve(b[i]) {
			return false
		}
	}
	return true
}
