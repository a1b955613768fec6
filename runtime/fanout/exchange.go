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

	"github.com/cenkalti/backoff/v5"
	"github.com/valyala/fasthttp"
)

var errCoding = errors.New("content coding")

var (
	readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, MaxHeader) }}
	writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 4<<10) }}
)

// exchange sends a request and reads its answer within its time. A connection from an earlier request
// may be dead without a sign; then the request is sent once more over a new one, if nothing of it was
// sent or it may be. Where no connection comes about at first, it is tried again.
func (c *Client) exchange(ctx context.Context, f *flight, r *Request, limits limits) Answer {
	defer f.release()
	if strings.ContainsFunc(r.Path+r.Query, func(c rune) bool { return c <= ' ' || c == 0x7f }) || !strings.HasPrefix(r.Path, "/") {
		return Answer{Err: &Error{Class: Protocol, Message: fmt.Sprintf("%s: %q can't be the path of a request", r.Endpoint, r.Path)}}
	}
	deadline := time.Now().Add(limits.answer)
	cn := c.idle.take(r.Endpoint, deadline)
	if cn != nil && !f.hold(cn.raw) {
		cn = nil
	}
	a := Answer{}
	var pauses *backoff.ExponentialBackOff // made when the first attempt fails
	for {
		a.Attempts++
		var failed *failure
		if cn == nil {
			cn, failed = c.dial(ctx, f, r.Endpoint, earlier(deadline, time.Now().Add(limits.connect)))
			if failed == nil {
				failed = cn.until(deadline)
			}
			if failed != nil {
				if pauses == nil {
					pauses = newBackoff()
				}
				if a.Attempts < maxAttempts && failed.passing() && pause(ctx, pauses.NextBackOff(), deadline) {
					continue
				}
				a.Err = explain(ctx, r.Endpoint, failed, false, limits)
				return a
			}
		}
		var keep bool
		if a.Status, a.Body, keep, failed = cn.roundTrip(r, limits.left); failed == nil {
			f.release()
			if keep {
				c.idle.put(cn)
			} else {
				cn.close()
			}
			return a
		}
		cn.close()
		safe := cn.sent == 0 || r.Idempotent || r.Method == fasthttp.MethodGet || r.Method == fasthttp.MethodHead
		stale := cn.reused && (failed.phase == sending || failed.phase == waiting) && !timedOut(failed.err)
		if !stale || !safe || ctx.Err() != nil {
			a.Err = explain(ctx, r.Endpoint, failed, cn.sent > 0, limits)
			return a
		}
		cn = nil
	}
}

// roundTrip does one request; keep says that the connection can take another. The body is taken from left.
func (cn *conn) roundTrip(r *Request, left *atomic.Int64) (status int, body []byte, keep bool, failed *failure) {
	cn.sent = 0
	sendErr := cn.send(r)
	if sendErr != nil && cn.sent == 0 {
		return 0, nil, false, &failure{sending, sendErr}
	}
	// A server that refuses a large body answers and closes before it has read all of it, so there may
	// be an answer even when sending failed.
	in := readers.Get().(*bufio.Reader)
	in.Reset(cn)
	defer func() {
		in.Reset(nil)
		readers.Put(in)
	}()
	if _, err := in.Peek(1); err != nil {
		if sendErr != nil {
			return 0, nil, false, &failure{sending, sendErr}
		}
		return 0, nil, false, &failure{waiting, err}
	}
	resp := fasthttp.AcquireResponse()
	defer fasthttp.ReleaseResponse(resp)
	resp.SkipBody = r.Method == fasthttp.MethodHead
	body, err := readAnswer(in, resp, left)
	if err == nil && cn.broken != nil && resp.Header.ContentLength() == -1 { // chunked, without its last line
		err = cn.broken
	}
	if err != nil {
		if cn.broken != nil { // the parser can hide a timeout in an error of its own
			err = cn.broken
		}
		return 0, nil, false, &failure{reading, err}
	}
	if coding := resp.Header.ContentEncoding(); len(coding) > 0 && !bytes.EqualFold(coding, []byte("identity")) {
		return 0, nil, false, &failure{reading, fmt.Errorf("%w %q", errCoding, coding)}
	}
	keep = sendErr == nil && !resp.ConnectionClose() && in.Buffered() == 0 && resp.StatusCode() >= 200
	return resp.StatusCode(), body, keep, nil
}

func (cn *conn) send(r *Request) error {
	req := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(req)
	req.Header.SetMethod(r.Method)
	req.Header.SetHost(r.Endpoint.String())
	req.Header.SetUserAgent("dkvrun/" + wire.Version)
	// As the header's own field the path is never parsed nor normalised: %2e%2e stays a name.
	if r.Query == "" {
		req.Header.SetRequestURI(r.Path)
	} else {
		req.Header.SetRequestURI(r.Path + "?" + r.Query)
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
