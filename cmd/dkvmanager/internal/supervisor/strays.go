package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/engine/process"
	"dkvrun/runtime/durable"
)

// Stray is the folder of an instance that the catalog doesn't know: of a store that it doesn't have, or of an earlier
// store of that name. The folder is kept, and a process in it goes on running, since the catalog may be the one that is
// wrong.
type Stray struct {
	Store, Instance string
	// Folder is the path of the folder.
	Folder string
	// Operation created the store of the instance; empty if the folder doesn't say it.
	Operation string
	// PID is the process that runs in the folder, or 0.
	PID int
}

// Strays returns the folders dir/STORE/INSTANCE that belong to no instance of the catalog and are not to be deleted.
func Strays(dir string, d *catalog.Data) ([]Stray, error) {
	stores, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("instances' folder: %w", err)
	}
	var found []Stray
	for _, store := range stores {
		if !store.IsDir() {
			continue
		}
		of, err := straysOf(dir, store.Name(), d)
		if err != nil {
			return nil, err
		}
		found = append(found, of...)
	}
	return found, nil
}

// straysOf returns the strays of one store.
func straysOf(dir, store string, d *catalog.Data) (found []Stray, err error) {
	instances, err := os.ReadDir(filepath.Join(dir, store))
	if err != nil {
		return nil, fmt.Errorf("store's folder: %w", err)
	}
	for _, instance := range instances {
		x := Stray{Store: store, Instance: instance.Name()}
		x.Folder = filepath.Join(dir, x.Store, x.Instance)
		spec, _ := readSpec(x.Folder) // what can't be read doesn't say whose it is
		if spec != nil {
			x.Operation = spec.Operation
		}
		if knows(d, place{x.Store, x.Instance}, x.Operation) {
			continue
		}
		if x.PID, err = process.Holder(x.Folder); err != nil {
			return nil, fmt.Errorf("instance's folder: %w", err)
		}
		found = append(found, x)
	}
	return found, nil
}

// EndCommand returns the command that ends the stray, for a shell on its server.
func (x *Stray) EndCommand(dataDir string) string {
	return fmt.Sprintf("dkvmanager strays --data-dir %s --end %s/%s", dataDir, x.Store, x.Instance)
}

// EndStray ends the process of a stray, and moves its folder into the folder kept, where nothing uses it: its data may
// be the last copy. It returns the new path. The process gets 10 s to stop.
func EndStray(ctx context.Context, x Stray, kept string) (string, error) {
	for began := time.Now(); ; {
		pid, err := process.Holder(x.Folder)
		if err != nil {
			return "", err
		}
		if pid == 0 {
			break
		}
		signal := syscall.SIGTERM
		if time.Since(began) > stopGrace {
			signal = syscall.SIGKILL
		}
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return "", fmt.Errorf("process %d can't be ended: %w", pid, err)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	if err := durable.MakeFolder(kept, 0o700); err != nil {
		return "", err
	}
	to := filepath.Join(kept, fmt.Sprintf("%s-%s-%s", x.Store, x.Instance, time.Now().UTC().Format("20060102T150405.000")))
	if err := os.Rename(x.Folder, to); err != nil {
		return "", err
	}
	_ = os.Remove(filepath.Dir(x.Folder)) // fails while other instances' folders are in it
	return to, errors.Join(durable.SyncFolder(kept), durable.SyncFolder(filepath.Dir(filepath.Dir(x.Folder))))
}
