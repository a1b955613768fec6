package supervisor

import (
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	// resetBackoffAfter is how long a process must run for its earlier failures to be forgotten.
	resetBackoffAfter = 60 * time.Second
	// crashLoop is the number of quick deaths in a row from which the status is CrashLooping.
	crashLoop = 5
	// randomization is the share by which waits vary either way, so that instances that wait for the same thing
	// don't ask for it at the same time.
	randomization = 0.25
)

// newRestartBackoff returns the waits before the restarts of a process that keeps dying: 0.5 s, 1 s, … 30 s.
func newRestartBackoff() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval: 500 * time.Millisecond, Multiplier: 2, MaxInterval: 30 * time.Second,
		RandomizationFactor: randomization,
	}
}

// newPollBackoff returns the waits between two steps of a worker while nothing changes: 50 ms, growing to 2 s.
func newPollBackoff() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval: 50 * time.Millisecond, Multiplier: 1.5, MaxInterval: 2 * time.Second,
		RandomizationFactor: randomization,
	}
}

// jitter varies a wait by a quarter either way.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/2)
}
