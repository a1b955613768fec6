// Package interrupt ends a run early: after a signal, at the limits of time and memory, and when standard output is
// closed.
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

// GraceTime is the time that an interrupted run has for its clean-up before the process is forced to exit.
const GraceTime = 5 * time.Second

// watchFrom is the time after which signals are handled in a run that has not called a builtin. Before that the
// system ends the process, and there is nothing to clean up. Handling signals takes 10 % of the time of a start.
const watchFrom = 2 * time.Millisecond

// errInterrupted is the cause of a run's end after a signal.
var errInterrupted = &exit.Error{Status: exit.Interrupted, Message: "interrupted"}

// WatchSignals returns the context of the run. The first signal cancels it. The second signal, or the end of the grace
// time, ends the process through force; processes that --local started notice that and end too.
//
// Signals are handled from the call of begin or after watchFrom, whichever is earlier. The handler is never removed:
// the process ends with its run.
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
