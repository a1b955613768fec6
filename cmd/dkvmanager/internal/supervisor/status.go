package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/wire"
)

// observedStatus is the observed status of an instance, as a worker publishes it.
type observedStatus struct {
	served   int // the serial number of the last order that has been carried out
	status   wire.Status
	pid      int
	started  time.Time
	restarts int
	failures int
	// problem is the present problem, or the last failure; nil if there is none.
	problem error
	text    string // of problem
}

// publish publishes the status of the instance.
func (w *worker) publish(want desiredState, served int) {
	now := observedStatus{served: served, status: w.status(want), restarts: w.restarts, failures: w.failures}
	if w.proc != nil {
		now.pid, now.started = w.proc.pid, w.started
	}
	if now.problem = w.problem; now.problem == nil {
		now.problem = w.failure
	}
	if now.problem != nil {
		now.text = now.problem.Error()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.observed
	w.observed = now
	before.problem, now.problem = nil, nil // compared by their texts
	if before == now {
		return
	}
	if before.text != now.text && now.text != "" {
		level := slog.LevelWarn
		if w.problem != nil { // usually something to wait for
			level = slog.LevelInfo
		}
		w.s.opts.Log.Log(context.Background(), level, now.text, "store", w.store, "instance", w.instance, "status", now.status)
	}
	w.poll.Reset()
	close(w.changedCh)
	w.changedCh = make(chan struct{})
}

// status derives the status from the desired state and what the worker knows.
func (w *worker) status(want desiredState) wire.Status {
	var refused *wire.Result
	switch {
	case want.kind == desireLeave:
		return wire.Leaving
	case w.proc != nil && (!w.stoppingSince.IsZero() || want.kind != desireRun):
		return wire.Stopping
	case want.kind == desireRun && w.deaths >= crashLoop && !w.state.Ready:
		return wire.CrashLooping
	case want.kind != desireGone && (want.joiner() || want.node.Role == wire.Data && w.joining(want)):
		return wire.Joining
	case want.kind != desireRun:
		return wire.Stopped
	case w.up:
		return wire.Running
	case errors.As(w.problem, &refused): // the data is lost: nothing will start
		return wire.Stopped
	default:
		return wire.Starting
	}
}

// joining reports whether the instance has begun to join its store and has no vote yet.
func (w *worker) joining(want desiredState) bool {
	return w.spec != nil && w.spec.Operation == want.store.Creation && w.spec.Start == engine.Join
}

// lastObserved returns the last published status.
func (w *worker) lastObserved() observedStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.observed
}

// await returns the first status for which enough reports true, or the error of ctx.
func (w *worker) await(ctx context.Context, enough func(observedStatus) bool) (observedStatus, error) {
	for {
		w.mu.Lock()
		now, changedCh := w.observed, w.changedCh
		w.mu.Unlock()
		if enough(now) {
			return now, nil
		}
		select {
		case <-changedCh:
		case <-w.finished:
			return observedStatus{}, nil
		case <-ctx.Done():
			return now, ctx.Err()
		}
	}
}
