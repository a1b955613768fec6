package supervisor

import (
	"context"
	"fmt"
	"path/filepath"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/engine/process"
	"dkvrun/runtime/wire"
)

// RecoverCatalog tells from the folders of instances, dir/STORE/INSTANCE, which stores this server has, where its
// catalog can't. It knows of own instances that have run, and takes those for wanted that run now.
func RecoverCatalog(dir, engineName string) (*catalog.Data, error) {
	folders, err := filepath.Glob(filepath.Join(dir, "*", "*", engine.SpecFile))
	if err != nil {
		return nil, fmt.Errorf("instances' folder: %w", err)
	}
	d := &catalog.Data{Stores: map[string]*catalog.Store{}}
	for _, path := range folders {
		folder := filepath.Dir(path)
		spec, err := readSpec(folder)
		if err != nil || spec == nil || spec.Store != filepath.Base(filepath.Dir(folder)) || spec.Instance != filepath.Base(folder) {
			continue // it stays where it is, and nobody touches it
		}
		pid, err := process.Holder(folder)
		if err != nil {
			return nil, fmt.Errorf("instance's folder: %w", err)
		}
		s := d.Stores[spec.Store]
		if s == nil {
			s = &catalog.Store{Name: spec.Store, Engine: engineName, Creation: spec.Operation, Local: map[string]*catalog.Local{}}
			d.Stores[spec.Store] = s
		}
		s.Nodes = append(s.Nodes, wire.Node{Name: spec.Instance, Host: spec.Host, ClustronPort: spec.ClustronPort, ClientPort: spec.ClientPort, Role: spec.Role})
		// It is taken to have been part of its store: it never founds one again.
		s.Local[spec.Instance] = &catalog.Local{Desired: desiredByProcess(pid), Started: true, Bootstrapped: spec.Role == wire.Data}
	}
	for _, s := range d.Stores {
		s.Digest = wire.Digest(s.Name, s.Nodes)
	}
	return d, nil
}

func desiredByProcess(pid int) wire.Desired {
	if pid != 0 {
		return wire.DesiredRunning
	}
	return wire.DesiredStopped
}

// reconcileReadOnly keeps up what ran when the catalog was found lost, as far as its folder says all that it takes.
// Nothing else is started, nothing is stopped and nothing deleted.
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
