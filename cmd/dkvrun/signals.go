package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// graceTime is how long an interrupted run may take to end by itself.
const graceTime = 5 * time.Second

// watchFrom is how long a run may compute, without a call of a builtin, before signals are handled: up to
// then the system ends it, and there is nothing to clean up. Handling them takes a tenth of the time of
// a start.
const watchFrom = 2 * time.Millisecond

// watchSignals gives the context of the run. The first signal cancels it; the second one, or the end of
// the grace time, ends the process at once, and says what is under way. What --local has started ends itself
// then: it notices.
// Signals are handled from the call of begin, or from watchFrom on. Nothing is taken back at the end: the
// process ends with its run.
func watchSignals(stderr io.Writer, underWay func() []string) (ctx context.Context, begin func()) {
	ctx, cancel := context.WithCancel(context.Background())
	begin = sync.OnceFunc(func() {
		signals := make(chan os.Signal, 2)
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
		go func() {
			<-signals
			cancel()
			select {
			case <-signals:
			case <-time.After(graceTime):
				fmt.Fprintf(stderr, "dkvrun: not ended %s after the interrupt: leaving\n", graceTime)
			}
			for _, what := range underWay() {
				fmt.Fprintf(stderr, "        in doubt: %s\n", what)
			}
			os.Exit(statusInterrupted)
		}()
	})
	time.AfterFunc(watchFrom, begin)
	return ctx, begin
}
