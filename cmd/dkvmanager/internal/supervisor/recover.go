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

func desiredByProcess(pid int) wire.Desired {
	if pid != 0 {
		return wire.DesiredRunning
	}
	return wire.DesiredStopped
}
