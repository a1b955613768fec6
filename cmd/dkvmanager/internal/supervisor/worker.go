package supervisor

import (
	"context"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/engine/process"
)

// worker looks after one folder and the one process in it. All it does is done by its own goroutine,
// a step at a time: read the goal, look at what is, do the next thing, wait.
type worker struct {
	s *Supervisor
	place
	dir    string
	client *process.Client

	wakeup chan struct{}
	// finished is closed when the folder is gone and the worker with it.
	finished chan struct{}

	// What follows belongs to the worker's goroutine.

	processState
	poll        *backoff.ExponentialBackOff // the waits between two steps; reset by every change
	restartWait *backoff.ExponentialBackOff // the waits before restarts; reset by the first quick death
	due         time.Time                   // when something is to be done; zero when nothing is

	mu        sync.Mutex
	observed  observedStatus
	changedCh chan struct{} // closed and replaced at every change of sight
	orders    orders
	// interrupt ends what the current step waits for.
	interrupt context.CancelFunc
}

// processState is what a worker knows of the instance in its folder.
type processState struct {
	spec  *engine.Spec // as on disk; nil when the instance never ran
	known []string     // client endpoints of the other data instances, as last seen in the topology

	proc          *handle      // nil while nothing runs
	started       time.Time    // when proc was started
	state         engine.State // as proc last answered
	up            bool         // proc has answered and taken its ports
	stoppingSince time.Time    // when proc was told to stop; zero when it was not
	force         bool         // the operator doesn't want to wait for a graceful stop

	deaths    int  // recordFailure starts and quick deaths in a row
	failures  int  // all of them
	crashed   bool // the next start is a restart
	restarts  int
	notBefore time.Time // no start before
	failure   error     // the last of failures, until it is settled
	problem   error     // what is in the way now

	memberList      string    // the members when a join last looked
	waitingSince    time.Time // since when a join waits for another one's start; zero when it does not
	dataLostSince   time.Time // when the data of a leaving instance was given up
	membershipCheck membershipCheck
}

// orders are what an operator wants beside the goal; serial counts them.
type orders struct {
	serial       int
	resetBackoff bool // start now, whatever has failed before
	force        bool
}

func newWorker(s *Supervisor, p place) *worker {
	dir := s.folder(p)
	return &worker{s: s, place: p, dir: dir, client: process.Dial(dir), wakeup: make(chan struct{}, 1),
		finished: make(chan struct{}), changedCh: make(chan struct{}), interrupt: func() {},
		poll: newPollBackoff(), restartWait: newRestartBackoff()}
}

// wake makes the worker look again now.
func (w *worker) wake() {
	select {
	case w.wakeup <- struct{}{}:
	default:
	}
}

// order gives the worker orders and makes it follow them now. The serial number tells when it has.
func (w *worker) order(resetBackoff, force bool) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.orders.serial++
	w.orders.resetBackoff = w.orders.resetBackoff || resetBackoff
	w.orders.force = w.orders.force || force
	w.interrupt()
	w.wake()
	return w.orders.serial
}

// run works until ctx is done or the folder has gone for good. The process goes on running.
func (w *worker) run(ctx context.Context) {
	spec, err := readSpec(w.dir)
	if err != nil {
		w.s.opts.Log.Warn("what the instance was started with is not readable", "store", w.store, "instance", w.instance, "error", err)
	}
	if w.spec = spec; spec != nil {
		w.known = spec.Endpoints
	}
	for ctx.Err() == nil {
		if gone := w.reconcile(ctx); gone && w.s.release(w) {
			close(w.finished)
			return
		}
		w.pause(ctx)
	}
}

// reconcile does the next thing that the goal asks for, and says whether the folder is gone as it should.
func (w *worker) reconcile(ctx context.Context) (gone bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.mu.Lock()
	w.interrupt = cancel
	given := w.orders
	w.orders.resetBackoff, w.orders.force = false, false
	w.mu.Unlock()

	if given.resetBackoff {
		w.deaths, w.notBefore, w.failure = 0, time.Time{}, nil
	}
	w.force = given.force || w.force && w.proc != nil
	w.due = time.Time{}
	want := w.s.desiredOf(w.place)
	if w.s.closing.Load() && want.kind != desireGone {
		want.kind = desireStop
	}
	if w.problem = w.unknownFolder(want); w.problem == nil {
		w.problem = w.observe(ctx, want)
	}
	if w.problem == nil {
		gone, w.problem = w.act(ctx, want)
	}
	// After an interrupt the next step follows at once, and what this one ran into means nothing.
	if ctx.Err() == nil {
		w.publish(want, given.serial)
	}
	return gone
}

// act does the next thing for a goal. The error is what is in the way.
func (w *worker) act(ctx context.Context, want desiredState) (gone bool, err error) {
	switch {
	case w.s.opts.Catalog.Lost() != "":
		err = w.reconcileReadOnly(ctx, want)
	case len(w.s.deletions(w.place)) > 0:
		gone, err = w.deleteRemoved(want)
	case want.kind == desireGone:
		return true, nil // the catalog doesn't know the folder: it stays, and so does what runs in it
	case want.kind == desireLeave:
		err = w.leave(ctx, want)
	case want.kind == desireStop:
		w.contacts(want)
		w.stopProcess(stopGrace)
	default:
		w.contacts(want)
		err = w.ensureRunning(ctx, want)
	}
	return gone, err
}

// pause waits for something to happen, or for the time of the next look.
func (w *worker) pause(ctx context.Context) {
	wait := w.poll.NextBackOff()
	if !w.due.IsZero() {
		wait = min(wait, max(time.Until(w.due), time.Millisecond))
	}
	var done chan struct{}
	if w.proc != nil {
		done = w.proc.done
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-done:
		w.poll.Reset()
	case <-w.wakeup:
		w.poll.Reset()
	case <-timer.C:
	}
}
