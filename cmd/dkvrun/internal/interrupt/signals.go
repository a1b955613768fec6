// Package interrupt ends runs early: after signals, at limits of time and memory, and when standard output is closed.
package interrupt

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"dkvrun/cmd/dkvrun/internal/exit"
)

// GraceTime is how long an interrupted run may take to end by itself.
const GraceTime = 5 * time.Second

// watchFrom is how long a run may compute, without a call of a builtin, before signals are handled: up to
// then the system ends it, and there is nothing to clean up. Handling them takes a tenth of the time of
// a start.
const watchFrom = 2 * time.Millisecond

// errInterrupted is why a run ends that a signal has interrupted.
var errInterrupted = &exit.Error{Status: exit.Interrupted, Message: "interrupted"}

// WatchSignals gives the context of the run. The first signal cancels it; the second one, or the end of
// the grace time, ends the process at once, and says what is under way (ForceExit). What --local has started ends itself
// then: it notices.
// Signals are handled from the call of begin, or from watchFrom on. Nothing is taken back at the end: the
// process ends with its run.
func WatchSignals(force ForceExit) (ctx context.Context, begin func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	begin = sync.OnceFunc(func() {
		signals := make(chan os.Signal, 2)
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
		go func() {
			<-signals
			cancel(errInterrupted)
			why := "interrupted again: exiting at once"
			select {
			case <-signals:
			case <-time.After(GraceTime):
				why = fmt.Sprintf("interrupted, but the run did not end within %s: exiting at once", GraceTime)
			}
			force.Now(&exit.Error{Status: exit.Interrupted, Message: why})
		}()
	})
	time.AfterFunc(watchFrom, begin)
	return ctx, begin
}
