// Package supervisor makes what runs on this server what the catalog says should run: one process an
// instance, started, watched, restarted, stopped, and taken into or out of its running store.
//
// It keeps no state of its own on disk beside the instances' folders. After a crash at any point it
// looks at the catalog, the folders and the kernel's locks, and goes on from there.
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
	"dkvrun/runtime/wire"
)

// Options is what a supervisor works with. All but Bind, ExtraArgs, Lifeline, Door and StrangerPatience
// are required.
type Options struct {
	// Dir holds a folder an instance: Dir/STORE/INSTANCE.
	Dir string
	// Bind is the IP that the instances' ports are bound to; empty for all.
	Bind string
	// Owns says whether a node is this server's.
	Owns    func(wire.Node) bool
	Engine  engine.Engine
	Catalog *catalog.Catalog
	// Executable is run as EXECUTABLE ExtraArgs… instance [--lifeline 3 [--switchboard 4]] FOLDER.
	Executable string
	ExtraArgs  []string
	// Lifeline, where set, is handed to every instance as file descriptor 3: they end at its end of file.
	Lifeline *os.File
	// Switchboard, where set, is handed to every instance of a throw-away cluster as file descriptor 4: over it they
	// hear who is cut off.
	Switchboard *os.File
	// Confirm says why it is not certain that all managers of a store have this change as its last one, and
	// none under way; nil when it is.
	Confirm func(ctx context.Context, store, change string) error
	// OrphanPatience is the constant of that name where it is 0.
	OrphanPatience time.Duration
	Log            *slog.Logger
}

// Supervisor runs the instances of one server.
type Supervisor struct {
	opts Options
	// view is the catalog as last looked at. Nobody writes to it.
	view atomic.Pointer[catalog.Data]
	// closing is set by StopAll: everything is to be stopped, whatever the catalog says.
	closing atomic.Bool

	mu      sync.Mutex
	ctx     context.Context // of Run; nil while it does not run
	workers map[place]*worker
	running sync.WaitGroup // the workers that were launched

	// starting is held from the check of an instance's ports until its start is recorded.
	starting sync.Mutex
}

// place names the folder of an instance. One worker looks after one folder, so that two stores of one
// name, one being removed and one new, never meet in it.
type place struct{ store, instance string }

// New makes a supervisor. Nothing is started, stopped or answered before Run.
func New(opts Options) (*Supervisor, error) {
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("instances' folder %s: %w", opts.Dir, err)
	}
	opts.Dir = dir
	if opts.OrphanPatience == 0 {
		opts.OrphanPatience = OrphanPatience
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("instances' folder: %w", err)
	}
	s := &Supervisor{opts: opts, workers: map[place]*worker{}}
	s.refresh()
	return s, nil
}

// Run adopts the instances that run already, then reconciles until ctx is done. Instances outlive it.
// It is called once. The error says that the instances' folders can't be read.
func (s *Supervisor) Run(ctx context.Context) error {
	unknown, err := s.unknownFolders()
	if err != nil {
		return err
	}
	for _, p := range unknown {
		s.reportUnknown(p)
	}
	s.refresh()
	s.mu.Lock()
	s.ctx = ctx
	for _, w := range s.workers {
		s.launch(w)
	}
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	s.ctx = nil // nothing is launched any more
	s.mu.Unlock()
	s.running.Wait()
	return nil
}

// Notify says that the catalog has changed: nothing else makes the supervisor look at it.
func (s *Supervisor) Notify() {
	s.refresh()
}

// refresh looks at the catalog, sees that every own instance has a worker, and wakes them all. Folders
// that are to be deleted get a worker as well.
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

// ensure sees that a folder has a worker. s.mu is held.
func (s *Supervisor) ensure(p place) {
	if s.workers[p] != nil {
		return
	}
	s.workers[p] = newWorker(s, p)
	if s.ctx != nil {
		s.launch(s.workers[p])
	}
}

// launch lets a worker work. s.mu is held.
func (s *Supervisor) launch(w *worker) {
	ctx := s.ctx
	s.running.Go(func() { w.run(ctx) })
}

// release forgets a worker that has nothing left to do, unless the catalog has the instance again by now.
func (s *Supervisor) release(w *worker) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.desiredOf(w.place).kind != desireGone || len(s.deletions(w.place)) > 0 {
		return false
	}
	delete(s.workers, w.place)
	return true
}

// own lists the nodes of a store that are this server's, in topology order, then the leaving ones.
func (s *Supervisor) own(store *catalog.Store) []wire.Node {
	var nodes []wire.Node
	for _, n := range store.Nodes {
		if s.opts.Owns(n) {
			nodes = append(nodes, n)
		}
	}
	return append(nodes, leaving(store)...)
}

// update changes the catalog durably and looks at it anew.
func (s *Supervisor) update(f func(*catalog.Data) error) error {
	if err := s.opts.Catalog.Update(f); err != nil {
		return err
	}
	s.refresh()
	return nil
}
