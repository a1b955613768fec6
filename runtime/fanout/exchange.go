package fanout

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"dkvrun/runtime/wire"

	"github.com/valyala/fasthttp"
)

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
	for {
		a.Attempts++
		var failed *failure
		if cn == nil {
			cn, failed = c.dial(ctx, f, r.Endpoint, earlier(deadline, time.Now().Add(limits.connect)))
			if failed == nil {
				failed = cn.until(deadline)
			}
			if failed != nil {
				if failed.passing() && pause(ctx, a.Attempts, deadline) {
					continue
				}
				a.Err = explain(ctx, r.Endpoint, failed, false, limits)
				return a
			}
		}
		var keep bool
		if a.Status, a.Body, keep, failed = cn.roundTrip(r); failed == nil {
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

// roundTrip does one request; keep says that the connection can take another.
func (cn *conn) roundTrip(r *Request) (status int, body []byte, keep bool, failed *failure) {
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
	if err := skipInterim(in, resp); err != nil {
		if cn.broken != nil {
			err = cn.broken
		}
		return 0, nil, false, &failure{reading, err}
	}
	resp.SkipBody = r.Method == fasthttp.MethodHead
	if err := resp.ReadLimitBody(in, MaxBody); err != nil {
		if cn.broken != nil { // the parser can hide a timeout in an error of its own
			err = cn.broken
		}
		return 0, nil, false, &failure{reading, err}
	}
	if coding := resp.Header.ContentEncoding(); len(coding) > 0 && !bytes.EqualFold(coding, []byte("identity")) {
		return 0, nil, false, &failure{reading, fmt.Errorf("%w %q", errCoding, coding)}
	}
	keep = sendErr == nil && !resp.ConnectionClose() && in.Buffered() == 0 && resp.StatusCode() >= 200
	return resp.StatusCode(), bytes.Clone(resp.Body()), keep, nil
}

// skipInterim passes over interim answers, and wants a version and a status where the real one begins:
// fasthttp skips empty lines before it, and takes status 000 for 200.
func skipInterim(in *bufio.Reader, resp *fasthttp.Response) error {
	for range maxInterim {
		start, err := in.Peek(len("HTTP/1.1 200"))
		switch {
		case err != nil:
			return err
		case !bytes.HasPrefix(start, []byte("HTTP/1.")) || start[9] < '1' || start[9] > '9':
			return errStart
		case start[9] != '1':
			return nil
		}
		if err := resp.Header.Read(in); err != nil {
			return err
		}
	}
	return errStart
}

// maxInterim is more interim answers than a server has reason to send.
const maxInterim = 8

var (
	errStart  = errors.New("no status line")
	errCoding = errors.New("content coding")
)

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
