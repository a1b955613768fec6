// Package supervisor reconciles the instances of this server with the catalog: it starts, watches, restarts and stops
// one process for each instance, and lets instances join and leave their running stores.
//
// Beside the instances' folders it keeps no state on disk. After a crash at any point it compares the catalog, the
// folders and the kernel's locks again and continues from there.
package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/engine/process"
	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/runtime/wire"
)

// Options configures a supervisor. All but Bind, ExtraArgs, Lifeline, NetFaultSocket, Security, Hosts and
// OrphanPatience and HangPatience are required.
type Options struct {
	// Dir holds the folder of each instance: Dir/STORE/INSTANCE.
	Dir string
	// Bind is the IP that the instances' ports are bound to; empty for all.
	Bind string
	// Owns reports whether a node belongs to this server.
	Owns    func(wire.Node) bool
	Engine  engine.Engine
	Catalog *catalog.Catalog
	// Executable is run as EXECUTABLE ExtraArgs… instance [--lifeline 3 [--switchboard 4]] FOLDER.
	Executable string
	ExtraArgs  []string
	// Environment is that of the instances; nil for this process's own.
	Environment []string
	// Lifeline, if set, is the read end of a pipe whose write end only the runner holds. Every instance inherits it as
	// file descriptor 3, and stops at its end of file, which comes when the runner ends, in whatever way.
	Lifeline *os.File
	// NetFaultSocket, if set, is inherited by every instance of a throw-away cluster as file descriptor 4. It tells
	// them which hosts are cut off.
	NetFaultSocket *os.File
	// Confirm returns nil if all managers of a store have this change as the last one and none in progress, else an
	// error that says why that is not certain. If member, the address of a cluster port, is not empty, none of them may
	// have an instance there that is leaving the store.
	Confirm func(ctx context.Context, store, change, member string) error
	// Security has the keys of a secured manager, whose instances speak TLS on their ports; nil for another one.
	Security *security.Member
	// Hosts are further names and addresses by which applications reach this server, for the instances' certificates.
	Hosts []string
	// Peers asks other managers to change the members of a running store.
	Peers Peers
	// MayKill returns nil if an instance that hangs can be killed without taking the store's majority, else an error
	// that says why not.
	MayKill func(ctx context.Context, store, instance string) error
	// OrphanPatience and HangPatience replace orphanPatience and hangPatience if they are not 0.
	OrphanPatience, HangPatience time.Duration
	Log                          *slog.Logger
}

// Supervisor runs the instances of one server.
type Supervisor struct {
	opts Options
	// view is the last snapshot of the catalog. It is never written to.
	view atomic.Pointer[catalog.Data]
	// closing is set by StopAll: everything is stopped, whatever the desired state is.
	closing atomic.Bool

	mu      sync.Mutex
	ctx     context.Context // of Run; nil while it does not run
	workers map[place]*worker
	running sync.WaitGroup // the workers that were launched

	keys *instanceKeys

	// starting is held from the check of an instance's ports until its start is recorded.
	starting sync.Mutex
}

// place identifies the folder of an instance. Each folder has one worker, so that a removed store and a new one of the
// same name never work in it at the same time.
type place struct{ store, instance string }

// New returns a supervisor. It does nothing before Run.
func New(opts Options) (*Supervisor, error) {
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("instances' folder %s: %w", opts.Dir, err)
	}
	opts.Dir = dir
	if opts.OrphanPatience == 0 {
		opts.OrphanPatience = orphanPatience
	}
	if opts.HangPatience == 0 {
		opts.HangPatience = hangPatience
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("instances' folder: %w", err)
	}
	s := &Supervisor{opts: opts, workers: map[place]*worker{}, keys: newInstanceKeys(opts)}
	s.refresh()
	return s, s.checkSecured()
}

// Count returns the number of instances that this server has, running or not, those included that are leaving.
func (s *Supervisor) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.workers)
}

// Run adopts the running instances, then reconciles until ctx is done; the instances go on running. It must be called
// once. It returns an error when the instances' folders can't be read.
func (s *Supervisor) Run(ctx context.Context) error {
	strays, err := Strays(s.opts.Dir, s.view.Load())
	if err != nil {
		return err
	}
	for _, x := range strays {
		s.reportStray(x)
	}
	s.refresh()
	s.mu.Lock()
	s.ctx = ctx
	for _, w := range s.workers {
		s.launch(w)
	}
	s.mu.Unlock()
	s.running.Go(func() { s.keys.follow(ctx, s.folders) })
	<-ctx.Done()
	s.mu.Lock()
	s.ctx = nil // no worker is started any more
	s.mu.Unlock()
	s.running.Wait()
	return nil
}

// Notify must be called after each change of the catalog, which the supervisor does not notice otherwise.
func (s *Supervisor) Notify() {
	s.refresh()
	s.keys.notify()
}

// refresh takes a new snapshot of the catalog, makes sure that every instance of this server and every folder to be
// deleted has a worker, and wakes all workers.
func (s *Supervisor) refresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	view := s.opts.Catalog.Snapshot()
	s.view.Store(view)
	for _, x := range view.Deletions {
		s.ensure(place{x.Store, x.Instance})
	}
	for _, store := range view.Stores {
		for _, n := range s.own(store) {
			s.ensure(place{store.Name, n.Name})
		}
	}
	for _, w := range s.workers {
		w.wake()
	}
}

// ensure makes sure that a folder has a worker. s.mu is held.
func (s *Supervisor) ensure(p place) {
	if s.workers[p] != nil {
		return
	}
	s.workers[p] = newWorker(s, p)
	if s.ctx != nil {
		s.launch(s.workers[p])
	}
}

// launch runs a worker. s.mu is held.
func (s *Supervisor) launch(w *worker) {
	ctx := s.ctx
	s.running.Go(func() { w.run(ctx) })
}

// release drops a worker that has nothing left to do. It reports false if the catalog has the instance again.
func (s *Supervisor) release(w *worker) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.manages(w.place) {
		return false
	}
	delete(s.workers, w.place)
	return true
}

// desiredOf returns the desired state of the instance at p. It shares the catalog's view: callers must not change it.
// Only committed configurations are in the view (I3).
func (s *Supervisor) desiredOf(p place) desiredState { return desiredIn(s.view.Load(), p) }

// manages reports whether there is anything to do at p: the catalog has the instance, or records that its folder is to
// be deleted. The folder of any other place stays as it is.
func (s *Supervisor) manages(p place) bool {
	return s.desiredOf(p).isKnown() || len(s.deletions(p)) > 0
}

// own returns the nodes of a store that belong to this server, in topology order, then the leaving ones.
func (s *Supervisor) own(store *catalog.Store) []wire.Node {
	var nodes []wire.Node
	for _, n := range store.Nodes {
		if s.opts.Owns(n) {
			nodes = append(nodes, n)
		}
	}
	return append(nodes, leaving(store)...)
}

// update changes the catalog durably and refreshes the view.
func (s *Supervisor) update(f func(*catalog.Data) error) error {
	if err := s.opts.Catalog.Update(f); err != nil {
		return err
	}
	s.refresh()
	return nil
}

// CheckPorts refuses this server's nodes of a store if one of their ports belongs to another instance or is in use on
// this machine. The error is a *wire.Result, port_taken. Nodes of other servers are ignored. The ports of running
// instances count as in use, so it must be called before they start.
func (s *Supervisor) CheckPorts(store string, nodes []wire.Node) error {
	check := newPortCheck(s.view.Load().Stores, s.opts.Bind, s.opts.Owns)
	if r := check.refusal(store, nodes); r != nil {
		return r
	}
	return nil
}

// checkSecured refuses instances whose ports are plain, and would stay so, if the manager requires TLS.
func (s *Supervisor) checkSecured() error {
	if s.opts.Security == nil || s.opts.Security.TakesPlain() {
		return nil
	}
	for _, store := range s.view.Load().Stores {
		for _, n := range s.own(store) {
			folder := s.folder(place{store.Name, n.Name})
			spec, err := readSpec(folder)
			if err != nil || spec == nil || spec.Operation != store.Creation {
				continue // its worker reports one that can't be read
			}
			if n.Role == wire.Data && !store.ClusterTLS && !spec.SecuredCluster() {
				return fmt.Errorf("%s of store %s was started before this manager was secured, and its cluster port is plain: start with "+
					"--tls=prefer, and let scripts/secure_cluster.lua, or secure_store(%q), switch the store", n.Name, store.Name, store.Name)
			}
			pid, err := process.Holder(folder)
			if err != nil {
				return err
			}
			if restarts := n.Role == wire.Data && store.ClusterTLS; pid != 0 && !spec.Secured() && !restarts {
				return fmt.Errorf("%s of store %s (process %d) was started before this manager was secured, and its client port is plain: "+
					"start with --tls=prefer, and let scripts/secure_cluster.lua, or restart_store(%q), restart it", n.Name, store.Name, pid, store.Name)
			}
		}
	}
	return nil
}

// folders returns the paths of the folders of all instances.
func (s *Supervisor) folders() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for p := range s.workers {
		all = append(all, s.folder(p))
	}
	return all
}

// folder returns the path of the folder at p.
func (s *Supervisor) folder(p place) string { return filepath.Join(s.opts.Dir, p.store, p.instance) }
