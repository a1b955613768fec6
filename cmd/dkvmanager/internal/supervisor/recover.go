package supervisor

import (
	"fmt"
	"path/filepath"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/engine/process"
	"dkvrun/runtime/wire"
)

// RecoverCatalog reconstructs, for disaster recovery, the stores of this server from the folders of its instances,
// dir/STORE/INSTANCE. It finds this server's instances that have run; those that run now are desired to run.
func RecoverCatalog(dir, engineName string) (*catalog.Data, error) {
	folders, err := filepath.Glob(filepath.Join(dir, "*", "*", engine.SpecFile))
	if err != nil {
		return nil, fmt.Errorf("instances' folder: %w", err)
	}
	d := &catalog.Data{Stores: map[string]*catalog.Store{}}
	for _, path := range folders {
		folder := filepath.Dir(path)
		spec, err := readSpec(folder)
		if err != nil || spec == nil || spec.Store != filepath.Base(filepath.Dir(folder)) ||
			spec.Instance != filepath.Base(folder) {
			continue // the folder is kept untouched
		}
		pid, err := process.Holder(folder)
		if err != nil {
			return nil, fmt.Errorf("instance's folder: %w", err)
		}
		s := d.Stores[spec.Store]
		if s == nil {
			s = &catalog.Store{Name: spec.Store, Engine: engineName, Creation: spec.Operation,
				Local: map[string]*catalog.Local{}}
			d.Stores[spec.Store] = s
		}
		s.ClusterTLS = s.ClusterTLS || spec.SecuredCluster()
		s.Nodes = append(s.Nodes, wire.Node{Name: spec.Instance, Host: spec.Host, ClustronPort: spec.ClustronPort,
			ClientPort: spec.ClientPort, Role: spec.Role})
		// It counts as a former member of its store, so that it never bootstraps one again.
		s.Local[spec.Instance] = &catalog.Local{Desired: desiredByProcess(pid), Started: true,
			Bootstrapped: spec.Role == wire.Data}
	}
	for _, s := range d.Stores {
		s.Digest = wire.Digest(s.Name, s.Nodes)
	}
	return d, nil
}

// KeepRunning sets the desired states in d, an older generation of the catalog, to what is known of the instances in
// the folders dir/STORE/INSTANCE. An instance is to run if it runs now, or if d wants it to run and its folder has
// data: the generation that is lost may have started what d has stopped, and stopped what d has started. An instance
// without data may never have run, and would bootstrap a store that others have.
func KeepRunning(dir string, d *catalog.Data) error {
	for _, s := range d.Stores {
		if d.Name(s.Name).DeclaredLost { // its instances stop
			continue
		}
		for name, l := range s.Local {
			folder := filepath.Join(dir, s.Name, name)
			spec, err := readSpec(folder)
			if err != nil || spec != nil && spec.Operation != s.Creation {
				continue // the folder is another store's, or damaged, and the worker says so
			}
			pid, err := process.Holder(folder)
			if err != nil {
				return fmt.Errorf("instance's folder: %w", err)
			}
			used := spec != nil
			if used && spec.Role == wire.Data {
				used = holdsData(filepath.Join(folder, dataDir(s.Creation)))
			}
			if pid != 0 || l.Desired == wire.DesiredRunning && used {
				l.Desired = wire.DesiredRunning
			} else {
				l.Desired = wire.DesiredStopped
			}
		}
	}
	return nil
}

func desiredByProcess(pid int) wire.Desired {
	if pid != 0 {
		return wire.DesiredRunning
	}
	return wire.DesiredStopped
}
