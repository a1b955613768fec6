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
	// stopGrace is how long a process has from SIGTERM to SIGKILL.
	stopGrace = 10 * time.Second
	// askTimeout bounds the wait for an answer over an instance's socket.
	askTimeout = time.Second
	// dialTimeout bounds the look whether somebody listens on a port.
	dialTimeout = 200 * time.Millisecond
)

// observe looks at what became of the process, finds one that runs unexpectedly, and asks it.
func (w *worker) observe(ctx context.Context, g goal) error {
	if w.proc != nil && w.proc.ended() {
		exit, up := w.proc.exit, time.Since(w.started)
		told := !w.halting.IsZero()
		w.forget()
		// One that was refused the lock because another was first has not failed.
		if err := w.adopt(); err != nil {
			return err
		}
		if w.proc == nil && !told && (g.kind == goalRun || g.kind == goalLeave) {
			if up >= settled {
				w.deaths = 0
			}
			w.died = true
			w.failed(described(exit, w.dir))
		}
	} else if w.proc == nil {
		if err := w.adopt(); err != nil {
			return err
		}
	}
	if w.proc == nil || g.kind == goalStop || g.kind == goalGone {
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
		w.up = w.up || w.listens(ctx, g.node)
	}
	return nil
}

// adopt takes on the process that holds the folder's lock, if there is one.
func (w *worker) adopt() error {
	h, err := adopt(w.dir)
	if err != nil || h == nil {
		return err
	}
	w.proc, w.started = h, time.Now()
	w.s.opts.Log.Info("adopted", "store", w.store, "instance", w.instance, "pid", h.pid)
	return nil
}

// forget clears what was known of a process that has ended.
func (w *worker) forget() {
	w.proc, w.up, w.hardly = nil, false, false
	w.state, w.halting = engine.State{}, time.Time{}
}

// failed puts off the next start, the longer the more have failed in a row.
func (w *worker) failed(err error) {
	if w.deaths == 0 {
		w.restartWait.Reset()
	}
	w.deaths++
	w.failures++
	w.failure = err
	w.next = time.Now().Add(w.restartWait.NextBackOff())
}

// listens says whether the instance has taken its client port, which it does after the cluster port.
func (w *worker) listens(ctx context.Context, n wire.Node) bool {
	host := w.s.opts.Bind
	if host == "" {
		host = "localhost"
	}
	return w.s.accepts(ctx, net.JoinHostPort(host, strconv.Itoa(n.ClientPort)))
}

// accepting are the addresses at which somebody listens.
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

// accepts says whether somebody listens at an address.
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

// halt sees that nothing runs: SIGTERM first, SIGKILL after grace. It returns true when nothing does.
func (w *worker) halt(grace time.Duration) bool {
	if w.proc == nil {
		return true
	}
	if w.hardly {
		grace = 0
	}
	if w.halting.IsZero() {
		w.halting = time.Now()
		w.proc.signal(syscall.SIGTERM)
	}
	w.due = w.halting.Add(grace)
	if time.Until(w.due) <= 0 {
		w.proc.signal(syscall.SIGKILL)
		w.due = time.Time{}
	}
	return false
}

// keep sees that the instance runs as what it should be.
func (w *worker) keep(ctx context.Context, g goal) error {
	if w.proc != nil {
		turned := w.state.PID == w.proc.pid && w.state.Role != g.node.Role
		if !w.halting.IsZero() || turned {
			w.halt(stopGrace)
			return nil
		}
		if g.node.Role == wire.Data {
			return w.settle(ctx, g)
		}
		return nil
	}
	if time.Until(w.next) > 0 {
		w.due = w.next
		return nil
	}
	return w.start(ctx, g)
}

// start plans and spawns the process.
func (w *worker) start(ctx context.Context, g goal) error {
	spec, err := w.plan(ctx, g)
	if err != nil || spec == nil {
		return err
	}
	if err := w.s.CheckPorts(g.store.Name, []wire.Node{g.node}); err != nil {
		w.failed(err)
		return nil
	}
	if err := w.save(spec); err != nil {
		return err
	}
	h, err := w.s.spawn(w.dir)
	if err != nil {
		w.failed(err)
		return nil
	}
	w.proc, w.started = h, time.Now()
	if w.died {
		w.restarts++
		w.died = false
	}
	w.s.opts.Log.Info("started", "store", w.store, "instance", w.instance, "pid", h.pid, "as", spec.Start)
	return nil
}

// hasData says whether there is anything in the instance's data folder.
func (w *worker) hasData(g goal) bool {
	entries, err := os.ReadDir(w.dataFolder(g))
	return err == nil && len(entries) > 0
}

func (w *worker) dataFolder(g goal) string {
	return filepath.Join(w.dir, dataDir(g.store.Creation))
}
