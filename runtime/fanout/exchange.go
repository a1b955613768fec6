package fanout

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dkvrun/runtime/wire"

	"github.com/valyala/fasthttp"
)

var errCoding = errors.New("content coding")

var (
	readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, maxHeader) }}
	writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 4<<10) }}
)

// exchange sends a request and reads its answer within the limits. The server may have closed a reused connection; then
// the request is sent again over a new one, if none of it was sent or it is idempotent. A connection that can't be made
// is tried again.
func (c *Client) exchange(ctx context.Context, f *flight, r *Request, limits limits) Answer {
	defer f.release()
	if strings.ContainsFunc(r.Path+r.Query, func(c rune) bool { return c <= ' ' || c == 0x7f }) ||
		!strings.HasPrefix(r.Path, "/") {
		return Answer{Err: &Error{Class: Protocol, Message: fmt.Sprintf("%s: %q can't be the path of a request", r.Endpoint, r.Path)}}
	}
	deadline := time.Now().Add(limits.answer)
	endpoint := c.Resolve(r.Endpoint)
	cn := c.idle.take(endpoint, deadline)
	if cn != nil && !f.hold(cn.raw) {
		cn = nil
	}
	a := Answer{}
	var again retries
	for {
		a.Attempts++
		var failed *failure
		if cn == nil {
			cn, failed = c.connect(ctx, f, endpoint, deadline, limits)
			if failed == nil {
				failed = cn.until(deadline)
			}
			if failed != nil {
				if again.dial(ctx, failed, a.Attempts, deadline) {
					continue
				}
				a.Err, a.As = explain(ctx, r.Endpoint, failed, false, limits), failed.as()
				return a
			}
		}
		a.As = cn.secure.As
		if failed := cn.expect(r); failed != nil {
			cn.close()
			a.Err = explain(ctx, r.Endpoint, failed, false, limits)
			return a
		}
		var keep bool
		if keep, failed = cn.roundTrip(r, &a, limits.left); failed == nil {
			f.release()
			if keep {
				c.idle.put(cn)
			} else {
				cn.close()
			}
			return a
		}
		cn.close()
		if !again.send(ctx, cn, r, failed) {
			a.Err = explain(ctx, r.Endpoint, failed, cn.sent > 0, limits)
			return a
		}
		cn = nil
	}
}

// expect compares the manager that a request is meant for with the one that the certificate names, before anything is
// sent.
func (cn *conn) expect(r *Request) *failure {
	if cn.secure.Manager == "" || r.Manager == "" || cn.secure.Manager == r.Manager {
		return nil
	}
	return &failure{handshaking, &SecurityError{Class: OtherManager, As: cn.secure.As,
		Message: fmt.Sprintf("another manager answers there, %.64s, not %.64s, which was connected", cn.secure.Manager, r.Manager),
		Hint:    "connect again with force = true"}}
}

// roundTrip sends one request and reads its answer into a. keep reports whether the connection can be reused. The size
// of the body is subtracted from left.
func (cn *conn) roundTrip(r *Request, a *Answer, left *atomic.Int64) (keep bool, failed *failure) {
	cn.sent = 0
	sendErr := cn.send(r)
	if sendErr != nil && cn.sent == 0 {
		return false, &failure{sending, sendErr}
	}
	// A server that refuses a large body answers and closes before it has read the whole body, so there may be an
	// answer although sending failed.
	in := readers.Get().(*bufio.Reader)
	in.Reset(cn)
	defer func() {
		in.Reset(nil)
		readers.Put(in)
	}()
	if _, err := in.Peek(1); err != nil {
		if sendErr != nil {
			return false, &failure{sending, sendErr}
		}
		return false, &failure{waiting, err}
	}
	resp := fasthttp.AcquireResponse()
	defer fasthttp.ReleaseResponse(resp)
	resp.SkipBody = r.Method == fasthttp.MethodHead
	body, err := readAnswer(in, resp, left)
	if err == nil && cn.broken != nil && resp.Header.ContentLength() == -1 { // chunked, without the last line
		err = cn.broken
	}
	if err != nil {
		if cn.broken != nil && !errors.Is(err, errStart) { // the parser's error may hide a timeout
			err = cn.broken
		}
		return false, &failure{reading, err}
	}
	if coding := resp.Header.ContentEncoding(); len(coding) > 0 && !bytes.EqualFold(coding, []byte("identity")) {
		return false, &failure{reading, fmt.Errorf("%w %q", errCoding, coding)}
	}
	keep = sendErr == nil && !resp.ConnectionClose() && in.Buffered() == 0 && resp.StatusCode() >= 200
	a.Status, a.Body, a.Manager = resp.StatusCode(), body, r.Manager
	switch stated := resp.Header.PeekAll(wire.ManagerHeader); {
	case len(stated) != 1: // two identities contradict each other
		a.Manager = ""
	case string(stated[0]) != r.Manager:
		a.Manager = string(stated[0])
	}
	if health := resp.Header.Peek(wire.HealthHeader); len(health) > 0 {
		a.Health = wire.ReadHealth(string(health))
	}
	if cn.secure.Manager != "" && a.Manager != cn.secure.Manager {
		return false, &failure{reading, &SecurityError{Class: OtherManager, As: cn.secure.As,
			Message: fmt.Sprintf("the answer is of another manager, %.64s, than the certificate, %.64s", a.Manager, cn.secure.Manager),
			Hint:    "is there a proxy in between?"}}
	}
	return keep, nil
}

func (cn *conn) send(r *Request) error {
	req := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(req)
	req.Header.SetMethod(r.Method)
	req.Header.SetHost(r.Endpoint.String())
	req.Header.SetUserAgent("dkvrun/" + wire.Version)
	// SetRequestURI of the header neither parses nor normalises the path: %2e%2e is sent as it is.
	if r.Query == "" {
		req.Header.SetRequestURI(r.Path)
	} else {
		req.Header.SetRequestURI(r.Path + "?" + r.Query)
	}
	if cn.secure.Authorization != "" {
		req.Header.Set(fasthttp.HeaderAuthorization, cn.secure.Authorization)
	}
	if cn.reason != "" && strings.HasPrefix(r.Path, wire.Prefix) {
		req.Header.Set(wire.ReasonHeader, cn.reason)
	}
	if r.Body != nil {
		req.Header.SetContentType("application/json")
		if r.Compressed {
			req.Header.SetContentEncoding("gzip")
		}
		req.SetBodyRaw(r.Body)
	}
	out := writers.Get().(*bufio.Writer)
	out.Reset(cn)
	defer func() {
		out.Reset(nil)
		writers.Put(out)
	}()
	if err := req.Write(out); err != nil {
		return err
	}
	return out.Flush()
}
