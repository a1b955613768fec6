package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
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
		w.log.Log(context.Background(), level, now.text, "status", now.status)
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

// Instances returns the status of this server's instances of a store, in topology order, then of those that are leaving
// it. It queries the running instances in parallel, for at most a second. Before Run the status of all is Unknown.
func (s *Supervisor) Instances(ctx context.Context, store string) []wire.Instance {
	known := s.view.Load().Stores[store]
	if known == nil {
		return nil
	}
	nodes := s.own(known)
	all := make([]wire.Instance, len(nodes))
	var asked sync.WaitGroup
	for i, n := range nodes {
		asked.Go(func() { all[i] = s.instance(ctx, place{store, n.Name}, n) })
	}
	asked.Wait()
	return all
}

func (s *Supervisor) instance(ctx context.Context, p place, n wire.Node) wire.Instance {
	s.mu.Lock()
	want, w := s.desiredOf(p), s.workers[p]
	s.mu.Unlock()
	in := wire.Instance{Node: n, Own: true, Status: wire.Unknown, Desired: want.local.Desired,
		Bootstrapped: want.local.Bootstrapped}
	if w == nil { // removed just now
		return in
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	now, err := w.await(ctx, func(now observedStatus) bool { return now.status != "" })
	if err != nil {
		return in
	}
	in.Status, in.Restarts, in.LastError = now.status, now.restarts, now.text
	if now.pid == 0 {
		return in
	}
	in.PID, in.StartedAt = now.pid, &now.started
	state, err := w.client.State(ctx)
	switch {
	case err != nil:
		if now.status == wire.Running {
			in.LastError = "the process does not answer: " + err.Error()
			if errors.Is(err, context.DeadlineExceeded) {
				in.LastError = fmt.Sprintf("the process does not answer within %s", askTimeout)
			}
		}
	case state.PID == now.pid:
		in.Ready, in.Leader = state.Ready, state.Leader
		if !state.Ready && in.LastError == "" {
			in.LastError = state.Reason
		}
	}
	return in
}

// Metrics returns the metrics of this server's running instances of one store, or of all stores if store is empty, with
// rates over a window of 1 to 60 s. Instances that don't respond within a second are left out.
func (s *Supervisor) Metrics(ctx context.Context, store string, window time.Duration) []wire.Metric {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	workers := s.workersOf(store)
	slices.SortFunc(workers, func(a, b *worker) int {
		return cmp.Or(strings.Compare(a.store, b.store), strings.Compare(a.instance, b.instance))
	})
	answers := make([][]wire.Metric, len(workers))
	var asked sync.WaitGroup
	for i, w := range workers {
		if w.lastObserved().pid == 0 {
			continue
		}
		asked.Go(func() {
			if metrics, err := w.client.Metrics(ctx, window); err == nil {
				answers[i] = metrics
			}
		})
	}
	asked.Wait()
	return slices.Concat(answers...)
}

// Log returns the last lines of an own instance's log, whole lines and at most 1 MiB; nothing if it never ran. lines is
// 1 or more. The error is a *wire.Result.
func (s *Supervisor) Log(store, instance string, lines int) ([]byte, error) {
	if _, _, err := s.find(store, instance); err != nil {
		return nil, err
	}
	text, err := tail(s.folder(place{store, instance}), lines)
	if err != nil {
		return nil, wire.RefuseLogUnreadable.With(instance, err)
	}
	return text, nil
}
