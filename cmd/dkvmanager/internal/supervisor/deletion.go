package supervisor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/engine/process"
	"dkvrun/runtime/wire"
)

// A folder is deleted only where the catalog records its deletion, by store, instance and creating
// operation, or where its instance has left the store. A folder that the catalog doesn't know stays, and so
// does the process in it: the catalog may be an older copy that was put back.

// deletions returns the recorded deletions for one folder.
func (s *Supervisor) deletions(p place) []catalog.Deletion {
	var found []catalog.Deletion
	for _, x := range s.view.Load().Deletions {
		if x.Store == p.store && x.Instance == p.instance {
			found = append(found, x)
		}
	}
	return found
}

// deleteRemoved ends the process of a removed store's instance, deletes its data, and drops the record. Data of other
// creating operations in the same folder stays, and so does a process that serves them.
func (w *worker) deleteRemoved(want desiredState) (gone bool, err error) {
	w.poll.Reset()
	for _, x := range w.s.deletions(w.place) {
		others, err := hasOtherData(w.dir, x.Operation)
		if err != nil {
			return false, err
		}
		serves := w.spec != nil && w.spec.Operation == x.Operation || w.spec == nil && !others
		if serves && !w.stopProcess(0) {
			return false, nil
		}
		if err := deleteData(w.dir, x.Operation); err != nil {
			return false, err
		}
		if w.spec != nil && w.spec.Operation == x.Operation {
			w.processState = processState{}
		}
		w.log.Info("deleted the data of a removed store", "operation", x.Operation)
		if err := w.s.dropDeletion(x); err != nil {
			return false, err
		}
	}
	return want.kind == desireGone, nil
}

func (s *Supervisor) dropDeletion(done catalog.Deletion) error {
	return s.update(func(d *catalog.Data) error {
		d.Deletions = slices.DeleteFunc(d.Deletions, func(x catalog.Deletion) bool { return x == done })
		return nil
	})
}

// deleteData deletes an instance's folder, and the store's folder with its last instance. If the folder holds data of
// another creating operation, only the data of this one is deleted.
func deleteData(folder, operation string) error {
	others, err := hasOtherData(folder, operation)
	if err != nil {
		return err
	}
	if others {
		return os.RemoveAll(filepath.Join(folder, dataDir(operation)))
	}
	if spec, err := readSpec(folder); err == nil && spec != nil && spec.Operation != operation {
		return nil // a later store of that name has taken the folder, and has no data yet
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	err = os.Remove(filepath.Dir(folder))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
		return nil // ErrExist stands for "not empty": other instances are left
	}
	return err
}

// hasOtherData reports whether an instance's folder holds data of another creating operation.
func hasOtherData(folder, operation string) (bool, error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return strings.HasPrefix(e.Name(), dataDir("")) && e.Name() != dataDir(operation)
	}), nil
}

// unknownFolder returns a refusal if another store of the same name has used the folder and the catalog doesn't say
// that this store was removed; else nil.
func (w *worker) unknownFolder(want desiredState) error {
	if want.store == nil || w.spec == nil || w.spec.Operation == want.store.Creation || len(w.s.deletions(w.place)) > 0 {
		return nil
	}
	spec, err := readSpec(w.dir) // an operator may have moved the folder
	if err != nil {
		return err
	}
	if w.spec = spec; spec == nil || spec.Operation == want.store.Creation {
		return nil
	}
	pid, err := process.Holder(w.dir)
	if err != nil {
		return err
	}
	if pid != 0 {
		return wire.RefuseUnknownFolderInUse.With(w.dir, w.store, pid)
	}
	return wire.RefuseUnknownFolder.With(w.dir, w.store)
}

// reportStray logs a folder that is kept, with the process that runs in it.
func (s *Supervisor) reportStray(x Stray) {
	about := []any{"store", x.Store, "instance", x.Instance, "folder", x.Folder}
	if x.PID != 0 {
		about = append(about, "pid", x.PID)
	}
	s.opts.Log.Warn("the catalog doesn't know this instance: its folder is kept, and a process in it goes on running; "+
		"dkvmanager strays names the command that ends it", about...)
}
