package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Pair names two files in one folder that are replaced together, so that one of them is left if the disk damages the
// other. Between two replacements both are at the same state.
type Pair struct {
	Main, Twin string
	// Previous is where the replaced main file is kept.
	Previous string
}

// heldSuffix ends the name under which the replaced twin is kept until the new files are durable.
const heldSuffix = ".held"

// Replace makes main and twin the contents of the two files, durably: it writes and syncs both new files at the same
// time, renames first the previous file and then both new ones, and syncs the folder once. A crash between any two
// steps leaves each of the files complete, with the old content or the new one. The error is an *Error.
//
// After an error both files have their old contents, durably, unless the error's Unknown is set.
func (p Pair) Replace(main, twin []byte, o Options) error {
	if err := p.writeBoth(main, twin, o); err != nil {
		p.removeTemporary()
		return err
	}
	hadMain, err := keep(p.Main, p.Previous)
	hadTwin, twinErr := keep(p.Twin, p.Twin+heldSuffix)
	if err := errors.Join(err, twinErr); err != nil {
		p.removeTemporary()
		return &Error{Step: StepKeep, Path: p.Main, Err: cause(err)}
	}
	step, path := StepRename, p.Main
	if err = os.Rename(p.Main+TempSuffix, p.Main); err == nil {
		path, err = p.Twin, os.Rename(p.Twin+TempSuffix, p.Twin)
	}
	if err == nil {
		step, path, err = StepSyncFolder, p.Main, o.at("renamed")
	}
	if err == nil {
		err = SyncFolder(filepath.Dir(p.Main))
	}
	if err == nil {
		_ = os.Remove(p.Twin + heldSuffix) // the next Replace overwrites what a crash leaves of it
		return nil
	}
	failed := &Error{Step: step, Path: path, Err: cause(err)}
	if back := p.putBack(hadMain, hadTwin, o); back != nil {
		failed.Unknown = true
		failed.Err = fmt.Errorf("%w, and the old files can't be put back: %w", failed.Err, cause(back))
	}
	return failed
}

// writeBoth writes and syncs the temporary files, both at the same time: each waits for the disk.
func (p Pair) writeBoth(main, twin []byte, o Options) error {
	var both sync.WaitGroup
	var twinStep Step
	var twinErr error
	both.Go(func() { twinStep, twinErr = writeSynced(p.Twin+TempSuffix, twin, Options{Mode: o.Mode}) })
	step, err := writeSynced(p.Main+TempSuffix, main, o)
	both.Wait()
	switch {
	case err != nil:
		return &Error{Step: step, Path: p.Main, Err: cause(err)}
	case twinErr != nil:
		return &Error{Step: twinStep, Path: p.Twin, Err: cause(twinErr)}
	}
	return nil
}

// putBack gives both files their old contents again, durably. A file that did not exist is removed.
func (p Pair) putBack(hadMain, hadTwin bool, o Options) error {
	var main, twin error
	if hadMain {
		// The previous file keeps its name: it is the old main file too, and there is always one that is complete.
		_, main = keep(p.Previous, p.Main)
	} else {
		main = removeExisting(p.Main)
	}
	if hadTwin {
		twin = os.Rename(p.Twin+heldSuffix, p.Twin)
	} else {
		twin = removeExisting(p.Twin)
	}
	p.removeTemporary()
	return errors.Join(main, twin, o.at("restored"), SyncFolder(filepath.Dir(p.Main)))
}

// removeTemporary removes the new files that are not renamed, and the links that keep leaves if both of its names are
// of one file already.
func (p Pair) removeTemporary() {
	for _, path := range []string{p.Main, p.Twin, p.Previous, p.Twin + heldSuffix} {
		_ = os.Remove(path + TempSuffix)
	}
}

// keep gives the file at path the second name other, and reports whether there is such a file. It makes a hard link and
// renames the link, so that a complete file exists under each name at any moment.
func keep(path, other string) (exists bool, err error) {
	link := other + TempSuffix
	if err := removeExisting(link); err != nil {
		return false, err
	}
	err = os.Link(path, link)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, os.Rename(link, other)
}

// removeExisting removes a file if it exists.
func removeExisting(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
