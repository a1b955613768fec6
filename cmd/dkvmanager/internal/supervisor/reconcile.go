package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/engine/process"
	"dkvrun/cmd/dkvmanager/internal/hostid"
	"dkvrun/runtime/wire"
)

const (
	// stopGrace is the time that a process has between SIGTERM and SIGKILL.
	stopGrace = 10 * time.Second
	// askTimeout bounds the wait for a response over an instance's socket.
	askTimeout = time.Second
	// dialTimeout bounds the check whether a process listens on a port.
	dialTimeout = 200 * time.Millisecond
)

// observe updates what the worker knows about the process: whether it has ended, whether another one runs in the
// folder, and its state.
func (w *worker) observe(ctx context.Context, want desiredState) error {
	if w.proc != nil && w.proc.ended() {
		last, ran := w.proc, time.Since(w.started)
		told := !w.stoppingSince.IsZero()
		w.clearProcess()
		// A process that found the folder locked by another one has not failed: that one is adopted.
		if err := w.adopt(); err != nil {
			return err
		}
		if w.proc == nil {
			w.ended(last, ran, told, want)
		}
	} else if w.proc == nil {
		if err := w.adopt(); err != nil {
			return err
		}
	}
	if w.proc == nil || want.kind == desireStop || want.kind == desireGone {
		return nil
	}
	if time.Since(w.started) >= resetBackoffAfter {
		w.deaths, w.failure = 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if state, err := w.client.State(ctx); err == nil && state.PID == w.proc.pid {
		w.state, w.silentSince, w.silentAsks = state, time.Time{}, 0
		if !w.started.Equal(state.StartedAt) {
			w.started = state.StartedAt
		}
		w.up = w.up || w.listens(ctx, want.node)
		w.burn(state.Keys)
	} else if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		if w.silentSince.IsZero() {
			w.silentSince = time.Now()
		}
		w.silentAsks++
	}
	return nil
}

// burn makes the bearer tokens count no longer that came to the instance's client port without TLS.
func (w *worker) burn(keys *engine.Keys) {
	if keys == nil || w.s.keys == nil {
		return
	}
	for _, token := range keys.Exposed {
		if known, err := w.s.keys.member.Burn(token); err != nil {
			w.log.Error("a bearer token came without TLS, and can't be revoked durably", "error", err)
		} else if known {
			w.log.Warn("a bearer token came to the client port without TLS, and is revoked")
		}
	}
}

// tellEarlierDeath logs the end of a process that ended while no manager watched it. If it had not been stopped, its
// next start is a restart.
func (w *worker) tellEarlierDeath() {
	end, err := process.LastEnd(w.dir)
	if err != nil || end == nil {
		return // another end in this folder will tell why it can't be read
	}
	if pid, err := process.Holder(w.dir); err != nil || pid != 0 {
		return // it runs
	}
	exit := exitUnknown
	if !end.SameBoot {
		exit = "the machine was restarted"
	}
	w.crashed = end.SameBoot && !end.Stopped
	died := death(w.dir, end.PID, exit, w.log)
	w.log.Warn("the process ended while no manager was running", "pid", died.pid, "reason", died.reason)
}

// ended records the end of a process: a failure, unless it was told to stop or need not run.
func (w *worker) ended(last *handle, ran time.Duration, told bool, want desiredState) {
	died := death(w.dir, last.pid, cmp.Or(last.killed, last.exit), w.log)
	about := []any{"pid", died.pid, "reason", died.reason, "ran", ran.Round(time.Millisecond)}
	switch {
	case told:
		w.log.Info("the process was stopped", about...)
	case want.kind != desireRun && want.kind != desireLeave:
		w.log.Info("the process ended", about...)
	default:
		w.log.Warn("the process ended", about...)
		if ran >= resetBackoffAfter {
			w.deaths = 0
		}
		w.crashed = true
		w.recordFailure(died)
	}
}

// adopt adopts the process that holds the folder's lock, if there is one.
func (w *worker) adopt() error {
	h, err := adopt(w.dir)
	if err != nil || h == nil {
		return err
	}
	w.proc, w.started = h, time.Now()
	w.log.Info("adopted", "pid", h.pid)
	return nil
}

// clearProcess clears the record of a process that has ended.
func (w *worker) clearProcess() {
	w.proc, w.up, w.force = nil, false, false
	w.state, w.stoppingSince = engine.State{}, time.Time{}
	w.silentSince, w.silentAsks = time.Time{}, 0
}

// recordFailure delays the next start, with a growing backoff.
func (w *worker) recordFailure(err error) {
	if w.deaths == 0 {
		w.restartWait.Reset()
	}
	w.deaths++
	w.failures++
	w.failure = err
	w.notBefore = time.Now().Add(w.restartWait.NextBackOff())
}

// listens reports whether the instance listens on its client port, which it opens after the cluster port.
func (w *worker) listens(ctx context.Context, n wire.Node) bool {
	host := w.s.opts.Bind
	if host == "" {
		host = "localhost"
	}
	return accepts(ctx, w.s.opts.Bind, net.JoinHostPort(host, strconv.Itoa(n.ClientPort)))
}

// accepting returns the addresses that accept connections.
func accepting(ctx context.Context, bind string, addresses []string) []string {
	heard := make([]bool, len(addresses))
	var asked sync.WaitGroup
	for i, address := range addresses {
		asked.Go(func() { heard[i] = accepts(ctx, bind, address) })
	}
	asked.Wait()
	var there []string
	for i, address := range addresses {
		if heard[i] {
			there = append(there, address)
		}
	}
	return there
}

// accepts reports whether a process listens at an address. The connection comes from bind, if that is not empty.
func accepts(ctx context.Context, bind, address string) bool {
	dialer := hostid.Dialer(bind)
	dialer.Timeout = dialTimeout
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// stopProcess stops the process: SIGTERM first, SIGKILL after grace. It reports whether no process is left.
func (w *worker) stopProcess(grace time.Duration) bool {
	if w.proc == nil {
		return true
	}
	if w.force {
		grace = 0
	}
	if w.stoppingSince.IsZero() {
		w.stoppingSince = time.Now()
		w.proc.signal(syscall.SIGTERM)
	}
	w.due = w.stoppingSince.Add(grace)
	if time.Until(w.due) <= 0 {
		w.proc.signal(syscall.SIGKILL)
		w.due = time.Time{}
	}
	return false
}

// ensureRunning starts the instance if it doesn't run, and restarts it if its role or its address has changed, or the
// cluster ports of its store speak TLS now. An address changes only where the catalog had a wrong one, which the
// store's coordinator has corrected.
func (w *worker) ensureRunning(ctx context.Context, want desiredState) error {
	if w.proc != nil {
		changedCh := w.state.PID == w.proc.pid && w.state.Role != want.node.Role
		if !w.stoppingSince.IsZero() || changedCh || w.hasMoved(want) || w.mustSwitch(want) {
			w.stopProcess(stopGrace)
			return nil
		}
		if w.hangs() {
			return w.killHung(ctx)
		}
		if want.node.Role == wire.Data {
			return w.completeJoin(ctx, want)
		}
		return nil
	}
	if time.Until(w.notBefore) > 0 {
		w.due = w.notBefore
		return nil
	}
	return w.start(ctx, want)
}

// hasMoved reports whether the process runs the wanted instance at another address than the catalog has now.
func (w *worker) hasMoved(want desiredState) bool {
	s, n := w.spec, want.node
	return s != nil && s.Operation == want.store.Creation &&
		(!strings.EqualFold(s.Host, n.Host) || s.ClustronPort != n.ClustronPort || s.ClientPort != n.ClientPort)
}

// mustSwitch reports whether the cluster port of the process is plain, and those of its store speak TLS now. Without
// keys it goes on as it is.
func (w *worker) mustSwitch(want desiredState) bool {
	s := w.spec
	return s != nil && s.Operation == want.store.Creation && want.node.Role == wire.Data && want.store.ClusterTLS &&
		!s.SecuredCluster() && w.s.keys != nil
}

// clusterName returns the name that the certificates of a data instance's store have, or "" if its cluster ports are
// plain. The error says why the instance can't start: its ports would not be those of the others.
func (w *worker) clusterName(want desiredState) (string, error) {
	store := want.store
	// A version before ClusterTLS gave TLS to all instances of secured managers.
	had := w.spec != nil && w.spec.Operation == store.Creation && w.spec.SecuredCluster()
	switch {
	case want.node.Role != wire.Data:
		return "", nil
	case (store.ClusterTLS || had) && w.s.keys == nil:
		return "", fmt.Errorf("the cluster ports of %s speak TLS, and this manager is not secured: dkvmanager join makes it a member", store.Name)
	case store.ClusterTLS || had:
		return w.s.keys.clusterName(store.Creation)
	case w.s.keys != nil && !w.s.keys.member.TakesPlain():
		return "", fmt.Errorf("the cluster ports of %s are plain, and this manager requires TLS: secure_store(%q) switches them",
			store.Name, store.Name)
	}
	return "", nil
}

// start plans the start and spawns the process.
func (w *worker) start(ctx context.Context, want desiredState) error {
	spec, err := w.plan(ctx, want)
	if err != nil || spec == nil {
		return err
	}
	if err := w.s.CheckPorts(want.store.Name, []wire.Node{want.node}); err != nil {
		w.recordFailure(err)
		return nil
	}
	spec.Restarts = w.restarts
	if w.crashed {
		spec.Restarts++
	}
	if err := w.save(spec); err != nil {
		w.recordFailure(err)
		return nil
	}
	if spec.Secured() {
		if err := w.s.keys.write(w.dir, spec); err != nil {
			w.recordFailure(err)
			return nil
		}
	}
	h, err := w.s.opts.spawn(w.dir)
	if err != nil {
		w.recordFailure(err)
		return nil
	}
	w.proc, w.started = h, time.Now()
	w.restarts, w.crashed = spec.Restarts, false
	w.log.Info("started", "pid", h.pid, "as", spec.Start)
	return nil
}

// plan returns the spec for the next start. An instance that has to join is first added to the running store: the error
// says what that waits for, and a nil spec means to try again shortly. An error that is a *wire.Result means that the
// instance can't start at all.
func (w *worker) plan(ctx context.Context, want desiredState) (*engine.Spec, error) {
	n := want.node
	clusterName, err := w.clusterName(want)
	if err != nil {
		return nil, err
	}
	spec := &engine.Spec{
		Store: want.store.Name, Instance: n.Name, Operation: want.store.Creation, Role: n.Role,
		Bind: w.s.opts.Bind, Host: n.Host, ClustronPort: n.ClustronPort, ClientPort: n.ClientPort,
		Start: engine.Resume, Endpoints: w.contacts(want), DataDir: dataDir(want.store.Creation),
		Keys: w.s.keys != nil, ClusterName: clusterName,
	}
	switch {
	case n.Role == wire.Gateway:
		return spec, nil
	case w.joining(want):
		return w.join(ctx, want, spec)
	case want.local.Bootstrapped && w.hasData(want):
		if w.wasRemoved(ctx, want) {
			w.log.Warn("the store has removed the instance, which the topology has: it joins again")
			return w.join(ctx, want, spec)
		}
		return spec, nil
	case w.isDataLost(want):
		return nil, w.dataLost(want)
	case !want.local.Bootstrapped && want.founder():
		spec.Start = engine.Found
		for _, f := range want.store.Founders {
			spec.Peers = append(spec.Peers,
				engine.Peer{Name: f.Name, Address: net.JoinHostPort(f.Host, strconv.Itoa(f.ClustronPort))})
		}
		return spec, nil
	default:
		return w.join(ctx, want, spec)
	}
}

// contacts returns the client endpoints through which the instance finds its store: the other data instances of the
// topology, or the last known ones if it has none. (An instance that has just become the only data instance gets its
// data from one that is leaving.)
func (w *worker) contacts(want desiredState) []string {
	if others := want.others(); len(others) > 0 {
		w.known = clientEndpoints(others)
	}
	return w.known
}

// isDataLost reports whether the instance was part of its store, has no data any more, and no other instance has any.
func (w *worker) isDataLost(want desiredState) bool {
	return want.node.Role == wire.Data && want.local.Bootstrapped && len(want.others()) == 0 && !w.hasData(want)
}

// dataLost returns the refusal to start the only data instance of a store with an empty folder.
func (w *worker) dataLost(want desiredState) *wire.Result {
	return wire.RefuseDataLost.With(want.node.Name, w.dataFolder(want))
}

// save writes the spec to disk.
func (w *worker) save(spec *engine.Spec) error {
	if err := writeSpec(w.dir, spec); err != nil {
		return err
	}
	w.spec = spec
	return nil
}

// reconcileReadOnly keeps running what ran when the catalog was found lost, as far as the folder has all information
// for that. It starts nothing else, stops nothing and deletes nothing.
func (w *worker) reconcileReadOnly(ctx context.Context, want desiredState) error {
	switch {
	case w.s.closing.Load():
		w.stopProcess(stopGrace)
		return nil
	case w.proc != nil, want.kind != desireRun, w.joining(want), want.node.Role == wire.Data && !w.hasData(want):
		return nil
	}
	w.contacts(want)
	return w.ensureRunning(ctx, want)
}

// hasData reports whether the instance's data folder exists and is not empty.
func (w *worker) hasData(want desiredState) bool {
	return holdsData(w.dataFolder(want))
}

// holdsData reports whether a data folder exists and is not empty.
func holdsData(folder string) bool {
	entries, err := os.ReadDir(folder)
	return err == nil && len(entries) > 0
}

func (w *worker) dataFolder(want desiredState) string {
	return filepath.Join(w.dir, dataDir(want.store.Creation))
}
