package fanout

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"syscall"
	"time"
)

const (
	// maxAttempts is how often a connection is tried for one request.
	maxAttempts = 3
	// firstPause is the most that passes before the second attempt; each pause after it is twice as long.
	firstPause = 50 * time.Millisecond
)

// passing says whether a failure to connect may be over in a moment: a manager that restarts, a burst
// that its queue refused, a name service that is busy. Nothing was sent, so that any request may be
// tried again. What waited in vain for its whole time has had its chance.
func (f *failure) passing() bool {
	var dns *net.DNSError
	if f.phase > connecting || timedOut(f.err) {
		return false
	}
	if errors.As(f.err, &dns) {
		return dns.IsTemporary && !dns.IsNotFound
	}
	for _, number := range []syscall.Errno{
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EAGAIN, syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL,
	} {
		if errors.Is(f.err, number) {
			return true
		}
	}
	return false
}

// pause waits before the next attempt, for half to all of its time, so that many requests don't come
// back together. False: there is no next attempt.
func pause(ctx context.Context, attempts int, deadline time.Time) bool {
	if attempts >= maxAttempts {
		return false
	}
	most := firstPause << (attempts - 1)
	wait := most/2 + rand.N(most/2)
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
