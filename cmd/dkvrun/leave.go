package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/cmd/dkvrun/internal/process"
)

// leaving ends the process at once where a run doesn't end by itself. underWay names the changes that are
// then in doubt.
type leaving struct {
	*process.Process
	underWay func() []string
}

// now ends the process for a reason, which decides the exit status.
func (l leaving) now(reason error) {
	l.Exit(exit.Report(l.Stderr, &exit.Stopped{Reason: reason, InDoubt: l.underWay()}, false))
}

// inTime ends the process when a run that --timeout or --max-memory has stopped doesn't end: a single
// step of a script, such as setting t[60000000], can't be cut off. watchSignals does so after a signal.
func (l leaving) inTime(ctx context.Context) {
	context.AfterFunc(ctx, func() {
		var reason *exit.Error
		if !errors.As(context.Cause(ctx), &reason) || reason.Status != exit.Timeout && reason.Status != exit.Failed {
			return
		}
		time.AfterFunc(2*graceTime, func() {
			l.now(&exit.Error{Status: reason.Status, Message: fmt.Sprintf("%v, but the run did not end within %s: exiting at once", reason, 2*graceTime)})
		})
	})
}
