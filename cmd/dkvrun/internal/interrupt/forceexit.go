package interrupt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/cmd/dkvrun/internal/process"
)

// ForceExit ends the process if a run does not end by itself. A single instruction of a script, such as table.insert
// at position 1 of a long list, can't be interrupted.
type ForceExit struct {
	*process.Process
	// InFlight returns the operations that the run has begun and not ended. They are then in doubt.
	InFlight func() []string
}

// Now prints the reason and the operations in doubt, and exits with the status of the reason.
func (f ForceExit) Now(reason error) {
	f.Exit(exit.Report(f.Stderr, &exit.Stopped{Reason: reason, InDoubt: f.InFlight()}, false))
}

// AfterGrace ends the process if a run has not ended after twice the grace time since --timeout or --max-memory
// has cancelled ctx. WatchSignals does the same after a signal.
func (f ForceExit) AfterGrace(ctx context.Context) {
	context.AfterFunc(ctx, func() {
		var reason *exit.Error
		if !errors.As(context.Cause(ctx), &reason) || reason.Status != exit.Timeout && reason.Status != exit.Failed {
			return
		}
		late := fmt.Sprintf("%v, but the run did not end within %s: exiting at once", reason, 2*GraceTime)
		time.AfterFunc(2*GraceTime, func() { f.Now(&exit.Error{Status: reason.Status, Message: late}) })
	})
}
