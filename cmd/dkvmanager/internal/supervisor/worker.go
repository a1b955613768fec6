package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/engine/process"
	"dkvrun/runtime/wire"
)

const (
	// hangPatience is the time for which an instance must not have answered over its socket before it is killed and
	// restarted. It must have been asked minAsks times, since a manager that was itself stopped has asked nobody.
	hangPatience = time.Minute
	minAsks      = 5
)

// worker manages one folder and the one process in it. All its work is done by one goroutine, in steps: read the
// desired state, observe the process, do the next thing, wait.
type worker struct {
	s *Supervisor
	place
	dir    string
	client *process.Client
	log    *slog.Logger // with the store and the instance

	wakeup chan struct{}
	// finished is closed when the folder is deleted and the worker has ended.
	finished chan struct{}

	// The following fields belong to the worker's goroutine.

	processState
	poll        *backoff.ExponentialBackOff // the waits between two steps; reset by every change
	restartWait *backoff.ExponentialBackOff // the waits before restarts; reset by the first quick death
	due         time.Time                   // the time of the next thing to do; zero for none

	mu        sync.Mutex
	observed  observedStatus
	changedCh chan struct{} // closed and replaced at every change of observed
	orders    orders
	// restartAt is the serial number of the order to restart that was given last; notOrdered while Restart checks
	// whether it may give one. Until observed.served reaches it, the instance does not count as ready.
	restartAt int
	members   wire.MemberCheck // see Supervisor.MemberCheck
	ask       *wire.MemberAsk  // what other managers are asked for at this moment; nil if they are not
	// interrupt ends the waits of the current step.
	interrupt context.CancelFunc
}

// processState holds what a worker knows about the instance in its folder.
type processState struct {
	spec  *engine.Spec // as on disk; nil if the instance never ran
	known []string     // client endpoints of the other data instances, as last seen in the topology

	proc          *handle      // nil while nothing runs
	started       time.Time    // when proc was started
	state         engine.State // the last response of proc
	up            bool         // proc has responded and listens on its ports
	stoppingSince time.Time    // when proc was told to stop; zero if it was not
	silentSince   time.Time    // when proc first didn't answer over its socket, since its last answer; zero if it does
	silentAsks    int          // how often it was asked since then
	force         bool         // kill without a graceful stop

	deaths    int       // failed starts and quick deaths in a row
	failures  int       // the number of all failures
	crashed   bool      // the next start is a restart
	restarts  int       // also in spec.json
	notBefore time.Time // the earliest time of the next start
	failure   error     // the last failure; nil once a process has run long enough
	problem   error     // the error that prevents the next step, or nil

	memberList      string    // the member list at the last step of a join
	waitingSince    time.Time // when a join began to wait for the start of another joiner; zero if it does not
	dataLostSince   time.Time // when the data of a leaving instance was deleted
	membershipCheck membershipCheck
	// askFailed holds, by identity, when another manager last did not take a step that this one asked for.
	askFailed map[string]time.Time
}

// orders are an operator's requests beside the desired state; serial counts them.
type orders struct {
	serial       int
	resetBackoff bool // start now, whatever has failed before
	restart      bool // stop the process that runs now; the next one is started as after any end
	force        bool
}

// notOrdered is a serial number that no order reaches.
const notOrdered = math.MaxInt

func newWorker(s *Supervisor, p place) *worker {
	dir := s.folder(p)
	log := s.opts.Log.With("store", p.store, "instance", p.instance)
	return &worker{s: s, place: p, dir: dir, client: process.Dial(dir), log: log, wakeup: make(chan struct{}, 1),
		finished: make(chan struct{}), changedCh: make(chan struct{}), interrupt: func() {},
		processState: processState{askFailed: map[string]time.Time{}},
		poll:         newPollBackoff(), restartWait: newRestartBackoff()}
}

// wake makes the worker take its next step now.
func (w *worker) wake() {
	select {
	case w.wakeup <- struct{}{}:
	default:
	}
}

// order gives the worker orders and interrupts its current step. It returns the serial number that
// observedStatus.served reaches when they have been carried out.
func (w *worker) order(resetBackoff, force bool) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.give(resetBackoff, force)
}

// give does the work of order. w.mu is held.
func (w *worker) give(resetBackoff, force bool) int {
	w.orders.serial++
	w.orders.resetBackoff = w.orders.resetBackoff || resetBackoff
	w.orders.force = w.orders.force || force
	w.interrupt()
	w.wake()
	return w.orders.serial
}

// beginRestart makes the instance count as not ready, so that the managers of the others see that it is about to stop.
func (w *worker) beginRestart() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.restartAt = notOrdered
	w.observed.seen.restarting = true
}

// cancelRestart ends what beginRestart began, without a restart.
func (w *worker) cancelRestart() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.restartAt = 0
	w.observed.seen.restarting = false
}

// orderRestart orders the restart that beginRestart began. It returns the serial number of the order, as order does.
func (w *worker) orderRestart() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.orders.restart = true
	w.restartAt = w.give(true, false)
	return w.restartAt
}

// run takes steps until ctx is done or the folder has been deleted for good. The process goes on running.
func (w *worker) run(ctx context.Context) {
	spec, err := readSpec(w.dir)
	if err != nil {
		w.log.Warn("the instance's spec.json can't be read", "error", err)
	}
	if w.spec = spec; spec != nil {
		w.known, w.restarts = spec.Endpoints, spec.Restarts
	}
	w.tellEarlierDeath()
	for ctx.Err() == nil {
		if gone := w.reconcile(ctx); gone && w.s.release(w) {
			close(w.finished)
			return
		}
		w.pause(ctx)
	}
}

// reconcile takes one step towards the desired state. It reports whether there is nothing left to manage.
func (w *worker) reconcile(ctx context.Context) (gone bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.mu.Lock()
	w.interrupt = cancel
	given := w.orders
	w.orders.resetBackoff, w.orders.restart, w.orders.force = false, false, false
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
	if given.restart && w.proc != nil {
		w.stopProcess(stopGrace)
	}
	if w.problem == nil {
		gone, w.problem = w.act(ctx, want)
	}
	// After an interrupt the next step follows at once, and the errors of this one mean nothing.
	if ctx.Err() == nil {
		w.publish(want, given.serial)
	}
	return gone
}

// act takes the next step towards the desired state. The error describes what prevents it.
func (w *worker) act(ctx context.Context, want desiredState) (gone bool, err error) {
	switch {
	case w.s.opts.Catalog.ReadOnly() != nil:
		err = w.reconcileReadOnly(ctx, want)
	case len(w.s.deletions(w.place)) > 0:
		gone, err = w.deleteRemoved(want)
	case want.kind == desireGone:
		return true, nil // not in the catalog: the folder and its process stay
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

// hangs reports whether the process has not answered over its socket for so long that it is restarted.
func (w *worker) hangs() bool {
	return w.silentAsks >= minAsks && time.Since(w.silentSince) >= w.s.opts.HangPatience
}

// killHung kills the process, which hangs, if the store has its majority without it. The next one is started as after
// any other end. The error says why the process stays.
func (w *worker) killHung(ctx context.Context) error {
	silent := time.Since(w.silentSince).Round(time.Second)
	if err := w.s.opts.MayKill(ctx, w.store, w.instance); err != nil {
		return fmt.Errorf("the process has not answered since %s: %w", w.silentSince.UTC().Format(time.RFC3339), err)
	}
	w.proc.killed = fmt.Sprintf("it had not answered for %s: the manager killed it", silent)
	w.proc.signal(syscall.SIGKILL)
	return nil
}

// pause waits for an event, or until the next step is due.
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
