// Package durable writes files that must survive a crash of the process and of the machine.
//
// A file is replaced in four steps: write a temporary file beside it, sync that file, rename it over the old one, sync
// the folder. A crash between any two steps leaves the old content or the new one, complete. A Pair are two files with
// the same content, which are replaced together.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Step names the step of Replace that failed.
type Step string

// The steps, in their order.
const (
	StepWrite      Step = "write"
	StepSync       Step = "sync"
	StepKeep       Step = "keep the previous"
	StepRename     Step = "rename"
	StepSyncFolder Step = "sync the folder of"
)

// Error is a failed step. It unwraps to the cause that the system gave, for example syscall.ENOSPC.
type Error struct {
	Step Step
	Path string // the file to replace
	Err  error
	// Unknown means that the old content could not be put back either: after a crash of the machine the files may have
	// the old content or the new one.
	Unknown bool
}

func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Step, e.Path, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Options says how a file is replaced.
type Options struct {
	// Mode is the mode of the new file.
	Mode fs.FileMode
	// Failpoint is called after three of the steps, with "written", "synced" and "renamed", and with "restored" after a
	// Pair has put back the old files. An error that it returns counts as the step's own. Tests set it to simulate
	// crashes and full disks; nil for none.
	Failpoint func(place string) error
}

// TempSuffix ends the name of the temporary file, which a crash may leave behind. The next Replace removes it, whatever
// it is, and makes a new one.
const TempSuffix = ".tmp"

// Replace makes data the content of the file at path, durably. The error is an *Error.
//
// When the last step fails, the new name may be lost with the next power cut: the file may have either content.
func Replace(path string, data []byte, o Options) error {
	temp := path + TempSuffix
	if step, err := writeSynced(temp, data, o); err != nil {
		_ = os.Remove(temp)
		return &Error{Step: step, Path: path, Err: cause(err)}
	}
	if err := os.Rename(temp, path); err != nil {
		_ = os.Remove(temp)
		return &Error{Step: StepRename, Path: path, Err: cause(err)}
	}
	err := o.at("renamed")
	if err == nil {
		err = SyncFolder(filepath.Dir(path))
	}
	if err != nil {
		return &Error{Step: StepSyncFolder, Path: path, Err: cause(err), Unknown: true}
	}
	return nil
}

// MakeFolder creates a folder and its missing parents, durably: it syncs the folder above.
func MakeFolder(path string, mode fs.FileMode) error {
	if err := os.MkdirAll(path, mode); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// writeSynced writes a new file and syncs it. If that fails, it returns the step that failed and the error.
func writeSynced(path string, data []byte, o Options) (Step, error) {
	// What is there is of a crash, or somebody else has put it into a shared folder: a link, or a file of his own.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return StepWrite, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, o.Mode)
	if err != nil {
		return StepWrite, err
	}
	step := StepWrite
	if _, err = f.Write(data); err == nil {
		err = o.at("written")
	}
	if err == nil {
		step = StepSync
		err = f.Sync()
	}
	if err == nil {
		err = o.at("synced")
	}
	return step, errors.Join(err, f.Close())
}

// SyncFolder makes the names in a folder durable.
func SyncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// at calls the failpoint, if there is one.
func (o Options) at(place string) error {
	if o.Failpoint == nil {
		return nil
	}
	return o.Failpoint(place)
}

// cause strips the path of the temporary file from a system error.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	return err
}

// Publish gives a file another name in the same folder, durably, unless something has that name: then the error is
// fs.ErrExist, and nothing has changed. A crash can leave the file with both names.
func Publish(from, to string) error {
	if err := os.Link(from, to); err != nil {
		return err
	}
	if err := os.Remove(from); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(to))
}

// Rename gives a file or folder another name in the same folder, durably.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(to))
}
