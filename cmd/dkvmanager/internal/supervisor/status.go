package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/wire"
)

// observation holds the values from which the status of an instance is derived, all from one moment.
type observation struct {
	desired  desiredKind
	process  bool // one runs
	stopping bool // it was told to stop
	failing  bool // crashLoop starts or processes in a row have failed
	lost     bool // nothing will start: the only copy of the data is gone
	joining  bool // the instance has no vote in its store yet
	up       bool // the process has answered and listens on its ports
	serves   bool // the process takes reads and writes
	// restarting: a restart was requested, and the process has not been told to stop yet.
	restarting bool
}

// status derives the status, and whether the instance counts as ready. It is the only place that does.
func (o observation) status() (status wire.Status, ready bool) {
	switch {
	case o.desired == desireLeave:
		status = wire.Leaving
	case o.process && (o.stopping || o.desired != desireRun):
		status = wire.Stopping
	case o.desired != desireRun:
		status = wire.Stopped
	case o.failing && !o.serves:
		status = wire.CrashLooping
	case o.joining:
		status = wire.Joining
	case o.process && (o.up || o.serves):
		status = wire.Running
	case o.lost:
		status = wire.Stopped
	default:
		status = wire.Starting
	}
	return status, wire.InstanceReady(status, o.serves && !o.restarting)
}

// observedStatus is the observed status of an instance, as a worker publishes it.
type observedStatus struct {
	served   int // the serial number of the last order that has been carried out
	status   wire.Status
	seen     observation // the status is derived from it
	pid      int
	started  time.Time
	restarts int
	failures int
	hangs    bool // the process does not answer, and problem says why it is not restarted
	// keys means that the client port of the process speaks TLS, clusterTLS that its cluster port does.
	keys, clusterTLS bool
	// problem is the present problem, or the last failure; nil if there is none.
	problem error
	text    string // of problem
}

// publish publishes the status of the instance.
func (w *worker) publish(want desiredState, served int) {
	now := observedStatus{served: served, seen: w.observation(want), restarts: w.restarts, failures: w.failures,
		hangs: w.proc != nil && w.hangs() && w.problem != nil}
	now.status, _ = now.seen.status()
	if w.proc != nil {
		now.pid, now.started = w.proc.pid, w.started
		if w.spec != nil {
			now.keys, now.clusterTLS = w.spec.Secured(), w.spec.SecuredCluster()
		}
	}
	if now.problem = w.problem; now.problem == nil {
		now.problem = w.failure
	}
	if now.problem != nil {
		now.text = now.problem.Error()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now.seen.restarting = served < w.restartAt
	before := w.observed
	w.observed = now
	before.problem, now.problem = nil, nil // the field text stands for them in the comparison
	if before == now {
		return
	}
	var died *deathError // is logged where it is seen
	if before.text != now.text && now.text != "" && (w.problem != nil || !errors.As(w.failure, &died)) {
		level := slog.LevelWarn
		if w.problem != nil { // usually the instance waits for something
			level = slog.LevelInfo
		}
		w.log.Log(context.Background(), level, now.text, "status", now.status)
	}
	w.poll.Reset()
	close(w.changedCh)
	w.changedCh = make(chan struct{})
}

// observation returns what the worker knows.
func (w *worker) observation(want desiredState) observation {
	var refused *wire.Result
	return observation{
		desired: want.kind, process: w.proc != nil, stopping: !w.stoppingSince.IsZero(), failing: w.deaths >= crashLoop,
		lost:    errors.As(w.problem, &refused),
		joining: want.kind == desireRun && (want.joiner() || want.node.Role == wire.Data && w.joining(want)),
		up:      w.up, serves: w.state.Ready,
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
	// The desired state may have changed since the worker looked.
	if !s.closing.Load() {
		now.seen.desired = want.kind
		now.seen.joining = want.kind == desireRun && (now.seen.joining || want.joiner())
	}
	now.seen.serves = false
	in.Status, in.Ready = now.seen.status()
	in.Restarts, in.LastError = now.restarts, now.text
	if now.pid == 0 {
		return in
	}
	in.PID, in.StartedAt, in.ClusterTLS = now.pid, &now.started, now.clusterTLS
	if now.keys && s.keys != nil {
		in.ClientTLS = s.keys.member.TLS()
		in.AccessStaleSince = s.keys.staleSince(s.folder(p))
	}
	state, err := w.client.State(ctx)
	// So may the process: the status is derived from what it says now.
	now.seen.serves = err == nil && state.PID == now.pid && state.Ready
	in.Status, in.Ready = now.seen.status()
	switch {
	case err != nil:
		switch {
		case in.Status != wire.Running, now.hangs:
		case errors.Is(err, context.DeadlineExceeded):
			in.LastError = fmt.Sprintf("the process does not answer within %s", askTimeout)
		default:
			in.LastError = "the process does not answer: " + err.Error()
		}
	case state.PID == now.pid:
		in.Leader = state.Leader && in.Status == wire.Running
		in.Cluster = state.Cluster
		in.Build, in.OtherBuild = state.Build, state.Build != wire.Build()
		if state.Ready && in.Status == wire.Joining {
			w.wake() // the join is complete, and the worker has not seen it yet
		}
		switch {
		case in.LastError != "":
		case !state.Ready:
			in.LastError = state.Reason
		case now.seen.restarting:
			in.LastError = "the instance is about to be restarted"
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

// Certificates returns the certificates of this server's instances, by store and name. It queries the running instances
// in parallel, for at most a second.
func (s *Supervisor) Certificates(ctx context.Context) []wire.Certificate {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var places []place
	for _, store := range s.view.Load().Stores {
		for _, n := range s.own(store) {
			places = append(places, place{store.Name, n.Name})
		}
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(strings.Compare(a.store, b.store), strings.Compare(a.instance, b.instance))
	})
	out := make([]wire.Certificate, len(places))
	var asked sync.WaitGroup
	for i, p := range places {
		asked.Go(func() {
			out[i] = s.keys.certificate(s.folder(p), p.store, p.instance)
			s.mu.Lock()
			w := s.workers[p]
			s.mu.Unlock()
			if out[i].Serial == "" || w == nil || w.lastObserved().pid == 0 {
				return
			}
			state, err := w.client.State(ctx)
			if err != nil {
				out[i].Problem = "the process does not answer: " + err.Error()
				return
			}
			addKeys(&out[i], state.Keys, state.Ready)
		})
	}
	asked.Wait()
	return out
}

// addKeys adds to the certificate of an instance what its process says, which is nil while it starts. A ready one of
// an earlier version says nothing: it was adopted after an upgrade.
func addKeys(c *wire.Certificate, keys *engine.Keys, ready bool) {
	switch {
	case keys == nil && ready:
		c.Problem = fmt.Sprintf("the process is of an older version, which does not tell what it trusts: "+
			"restart_store{%q, rolling = true}", c.Store)
	case keys == nil:
		c.Problem = "the process is starting"
	default:
		c.Authorities, c.PeerAuthorities = keys.Authorities, keys.PeerAuthorities
		c.OldClients = keys.OldClients[:min(len(keys.OldClients), wire.MaxOldClients)]
		if keys.Serial != c.Serial {
			c.Problem = "the process shows an earlier certificate"
		}
	}
}

// Strays returns the strays of one store, by instance, at most wire.MaxStrays. What can't be read is left out: the
// command strays says why.
func (s *Supervisor) Strays(store string) []wire.Stray {
	all, _ := straysOf(s.opts.Dir, store, s.view.Load())
	var out []wire.Stray
	for _, x := range all[:min(len(all), wire.MaxStrays)] {
		if wire.CheckName(x.Instance) == nil {
			out = append(out, wire.Stray{Instance: x.Instance, Folder: x.Folder, PID: x.PID,
				Next: x.EndCommand(filepath.Dir(s.opts.Dir))})
		}
	}
	return out
}

// Log returns the last lines of the log of an instance of this server, whole lines and at most 1 MiB; nothing if it
// never ran. lines is 1 or more. The error is a *wire.Result.
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
