package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// leaving ends the process at once where a run doesn't end by itself. underWay names the changes that are
// then in doubt.
type leaving struct {
	stderr   io.Writer
	underWay func() []string
}

// now ends the process; why is empty where the user knows.
func (l leaving) now(status int, why string) {
	if why != "" {
		fmt.Fprintf(l.stderr, "dkvrun: %s\n", why)
	}
	for _, what := range l.underWay() {
		fmt.Fprintf(l.stderr, "        in doubt: %s\n", what)
	}
	os.Exit(status)
}

// inTime ends the process when a run that --timeout or --max-memory has stopped doesn't end: a single
// step of a script, such as setting t[60000000], can't be cut off. watchSignals does so after a signal.
func (l leaving) inTime(ctx context.Context) {
	context.AfterFunc(ctx, func() {
		cause := context.Cause(ctx)
		if cause != errTimeLimit && cause != errMemory {
			return
		}
		time.AfterFunc(2*graceTime, func() {
			l.now(statusOf(ctx, cause), fmt.Sprintf("not ended %s after %v had passed: leaving", 2*graceTime, cause))
		})
	})
}
