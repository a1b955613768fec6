package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"dkvrun/runtime/wire"
)

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
	in := wire.Instance{Node: n, Own: true, Status: wire.Unknown, Desired: want.local.Desired, Bootstrapped: want.local.Bootstrapped}
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
