package fanout

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/valyala/fasthttp"
)

const (
	// maxAttempts bounds the attempts to connect for one request.
	maxAttempts = 3
	// firstPause is the longest wait before the second attempt; each further wait is twice as long.
	firstPause = 50 * time.Millisecond
)

// newBackoff returns the waits between the attempts of one request: half to all of firstPause, then double, so
// that many requests don't come back together.
func newBackoff() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval: firstPause * 3 / 4, RandomizationFactor: 1.0 / 3, Multiplier: 2, MaxInterval: time.Minute,
	}
}

// retries decides which failures of one request are tried again. The waits are made when the first attempt fails.
type retries struct {
	waits *backoff.ExponentialBackOff
}

// dial reports whether to connect once more, and waits before it does: after a transient failure, if there are
// attempts and time left.
func (t *retries) dial(ctx context.Context, failed *failure, attempts int, deadline time.Time) bool {
	if attempts >= maxAttempts || !failed.transient() {
		return false
	}
	if t.waits == nil {
		t.waits = newBackoff()
	}
	return pause(ctx, t.waits.NextBackOff(), deadline)
}

// send reports whether to send the request again over a new connection: the server closed a reused connection before
// it answered, and either nothing was sent or the request is idempotent. A request that may have been carried out is
// never repeated.
func (*retries) send(ctx context.Context, cn *conn, r *Request, failed *failure) bool {
	safe := cn.sent == 0 || r.Idempotent || r.Method == fasthttp.MethodGet || r.Method == fasthttp.MethodHead
	stale := cn.reused && (failed.phase == sending || failed.phase == waiting) && !timedOut(failed.err)
	return stale && safe && ctx.Err() == nil
}

// transient reports whether a failure to connect may be temporary: the manager restarts, its listen backlog is full, or
// DNS is busy. Nothing was sent, so any request may be tried again. A timeout is not transient.
func (f *failure) transient() bool {
	var dns *net.DNSError
	if f.phase > connecting || timedOut(f.err) {
		return false
	}
	if errors.As(f.err, &dns) {
		return dns.IsTemporary && !dns.IsNotFound
	}
	for _, number := range []syscall.Errno{
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EAGAIN, syscall.EMFILE, syscall.ENFILE,
		syscall.EADDRNOTAVAIL,
	} {
		if errors.Is(f.err, number) {
			return true
		}
	}
	return false
}

// pause waits before the next attempt. It reports false at once when there is no next attempt: the time is not
// enough, or ctx is done.
func pause(ctx context.Context, wait time.Duration, deadline time.Time) bool {
	if time.Until(deadline) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
