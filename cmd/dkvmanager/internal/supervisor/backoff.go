package supervisor

import (
	"math/rand/v2"
	"time"
)

const (
	firstDelay = 500 * time.Millisecond
	maxDelay   = 30 * time.Second
	// settled is how long a process must have been up for its earlier deaths to be forgotten.
	settled = 60 * time.Second
	// crashLoop is the number of quick deaths in a row from which an instance is called CrashLooping.
	crashLoop = 5
)

// restartDelay is the wait before the next start after so many quick deaths in a row, 1 or more.
func restartDelay(deaths int) time.Duration {
	delay := firstDelay
	for ; deaths > 1 && delay < maxDelay; deaths-- {
		delay *= 2
	}
	return min(delay, maxDelay)
}

// jitter spreads a wait by a quarter either way, so that instances which wait for the same thing don't
// ask for it together.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/2)
}
