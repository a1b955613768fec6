package supervisor

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine"
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
		exit, up := w.proc.exit, time.Since(w.started)
		told := !w.stoppingSince.IsZero()
		w.clearProcess()
		// A process that found the folder locked by another one has not failed: that one is adopted.
		if err := w.adopt(); err != nil {
			return err
		}
		if w.proc == nil && !told && (want.kind == desireRun || want.kind == desireLeave) {
			if up >= settled {
				w.deaths = 0
			}
			w.crashed = true
			w.recordFailure(exitReason(exit, w.dir))
		}
	} else if w.proc == nil {
		if err := w.adopt(); err != nil {
			return err
		}
	}
	if w.proc == nil || want.kind == desireStop || want.kind == desireGone {
		return nil
	}
	if time.Since(w.started) >= settled {
		w.deaths, w.failure = 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if state, err := w.client.State(ctx); err == nil && state.PID == w.proc.pid {
		w.state = state
		if !w.started.Equal(state.StartedAt) {
			w.started = state.StartedAt
		}
		w.up = w.up || w.listens(ctx, want.node)
	}
	return nil
}

// adopt adopts the process that holds the folder's lock, if there is one.
func (w *worker) adopt() error {
	h, err := adopt(w.dir)
	if err != nil || h == nil {
		return err
	}
	w.proc, w.started = h, time.Now()
	w.s.opts.Log.Info("adopted", "store", w.store, "instance", w.instance, "pid", h.pid)
	return nil
}

// clearProcess clears what was known about a process that has ended.
func (w *worker) clearProcess() {
	w.proc, w.up, w.force = nil, false, false
	w.state, w.stoppingSince = engine.State{}, time.Time{}
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
	return w.s.accepts(ctx, net.JoinHostPort(host, strconv.Itoa(n.ClientPort)))
}

// accepting returns the addresses that accept connections.
func (s *Supervisor) accepting(ctx context.Context, addresses []string) []string {
	heard := make([]bool, len(addresses))
	var asked sync.WaitGroup
	for i, address := range addresses {
		asked.Go(func() { heard[i] = s.accepts(ctx, address) })
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

// accepts reports whether a process listens at an address.
func (s *Supervisor) accepts(ctx context.Context, address string) bool {
	dialer := hostid.Dialer(s.opts.Bind)
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

// ensureRunning starts the instance if it doesn't run, and restarts it if its role has changed.
func (w *worker) ensureRunning(ctx context.Context, want desiredState) error {
	if w.proc != nil {
		changedCh := w.state.PID == w.proc.pid && w.state.Role != want.node.Role
		if !w.stoppingSince.IsZero() || changedCh {
			w.stopProcess(stopGrace)
			return nil
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
	if err := w.save(spec); err != nil {
		return err
	}
	h, err := w.s.spawn(w.dir)
	if err != nil {
		w.recordFailure(err)
		return nil
	}
	w.proc, w.started = h, time.Now()
	if w.crashed {
		w.restarts++
		w.crashed = false
	}
	w.s.opts.Log.Info("started", "store", w.store, "instance", w.instance, "pid", h.pid, "as", spec.Start)
	return nil
}

// hasData reports whether the instance's data folder exists and is not empty.
func (w *worker) hasData(want desiredState) bool {
	entries, err := os.ReadDir(w.dataFolder(want))
	return err == nil && len(entries) > 0
}

func (w *worker) dataFolder(want desiredState) string {
	return filepath.Join(w.dir, dataDir(want.store.Creation))
}
