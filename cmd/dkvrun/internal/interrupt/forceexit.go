package interrupt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/cmd/dkvrun/internal/process"
)

// ForceExit ends the process at once where a run doesn't end by itself. InFlight names the changes that are
// then in doubt.
type ForceExit struct {
	*process.Process
	InFlight func() []string
}

// Now ends the process for a reason, which decides the exit status.
func (l ForceExit) Now(reason error) {
	l.Exit(exit.Report(l.Stderr, &exit.Stopped{Reason: reason, InDoubt: l.InFlight()}, false))
}

// InTime ends the process when a run that --timeout or --max-memory has stopped doesn't end: a single
// step of a script, such as setting t[60000000], can't be cut off. WatchSignals does so after a signal.
func (l ForceExit) InTime(ctx context.Context) {
	context.AfterFunc(ctx, func() {
		var reason *exit.Error
		if !errors.As(context.Cause(ctx), &reason) || reason.Status != exit.Timeout && reason.Status != exit.Failed {
			return
		}
		time.AfterFunc(2*GraceTime, func() {
			l.Now(&exit.Error{Status: reason.Status, Message: fmt.Sprintf("%v, but the run did not end within %s: exiting at once", reason, 2*GraceTime)})
		})
	})
}
