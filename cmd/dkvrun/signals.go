package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// graceTime is how long an interrupted run may take to end by itself.
const graceTime = 5 * time.Second

// interrupts ends the run: the first signal cancels its context, the second one, or the end of the
// grace time, ends the process at once. What --local has started ends itself then: it notices.
type interrupts struct {
	signals chan os.Signal
	over    chan struct{}
}

func watchSignals(stderr io.Writer) (context.Context, *interrupts) {
	ctx, cancel := context.WithCancel(context.Background())
	i := &interrupts{signals: make(chan os.Signal, 2), over: make(chan struct{})}
	signal.Notify(i.signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		defer cancel()
		select {
		case <-i.signals:
		case <-i.over:
			return
		}
		cancel()
		select {
		case <-i.signals:
		case <-time.After(graceTime):
			fmt.Fprintf(stderr, "dkvrun: not ended %s after the interrupt: leaving\n", graceTime)
		case <-i.over:
			return
		}
		os.Exit(statusInterrupted)
	}()
	return ctx, i
}

// stop gives the signals back to the system.
func (i *interrupts) stop() {
	signal.Stop(i.signals)
	close(i.over)
}
