package fanout

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
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

// transient reports whether a failure to connect may be over in a moment: the manager restarts, its queue of
// connections was full, DNS is busy. Nothing was sent, so any request may be tried again. A timeout is not transient.
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
