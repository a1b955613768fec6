//go:build !failpoints

package failpoint

import "time"

// Enter sets the operation that the following places belong to.
func Enter(string) {}

// At marks a place. It returns the disk error that the test set for it, or nil.
func At(string) error { return nil }

// Duration returns a time, which the environment can shorten.
func Duration(_ string, standard time.Duration) time.Duration { return standard }
