package access

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"time"

	"dkvrun/runtime/durable"
)

// The names of the files in the folder of the log.
const (
	logFile     = "access.log"
	forkPrefix  = "access-fork-" // and the hash of the branch's last line
	damagedFile = "access.log.damaged"
)

// File is a log that is kept in a folder. A change is on disk before it counts. It may be used concurrently.
type File struct {
	folder string
	torn   int

	lock   sync.Mutex
	log    *Log
	f      *os.File
	size   int64 // of the file, as far as it is valid
	failed error // a write that couldn't be undone: nothing can be written any more
}

// DamageError is a log on disk that is not valid. The lines before the damage are no substitute: a revocation may be
// missing. The whole log can be pulled from another manager: see SetAside.
type DamageError struct {
	Path string
	Line int64 // the first line that is damaged
	Last bool  // nothing follows it
	Err  error
}

func (e *DamageError) Error() string {
	where := "in the middle"
	if e.Last {
		where = "at its end"
	}
	return fmt.Sprintf("the access log %s is damaged %s: %v", e.Path, where, e.Err)
}

// Unwrap returns the cause.
func (e *DamageError) Unwrap() error { return e.Err }

// Create makes the file of a log in a folder where there is none, durably. Branches that a log there had, which was set
// aside, still restrict the state.
func Create(folder string, l *Log) (*File, error) {
	path := filepath.Join(folder, logFile)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fs.ErrExist
		}
		return nil, fmt.Errorf("the access log %s: %w", path, err)
	}
	file := &File{folder: folder, log: l}
	if err := file.rewrite(l); err != nil {
		return nil, err
	}
	if err := file.readForks(); err != nil {
		return nil, errors.Join(err, file.f.Close())
	}
	return file, nil
}

// Open opens the file of a log, and verifies it as Read does. A last line that a crash left without its end was never
// acknowledged: it is removed, see Torn. The error is fs.ErrNotExist if there is no log, and a *DamageError if it is
// not valid.
func Open(folder string, roots []Hash) (*File, error) {
	path := filepath.Join(folder, logFile)
	text, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	end := bytes.LastIndexByte(text, '\n') + 1
	l, err := Read(text[:end], roots)
	if err != nil {
		return nil, damage(path, text, err)
	}
	file := &File{folder: folder, log: l, size: int64(end)}
	if file.f, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
		return nil, err
	}
	if err = file.mendEnd(text[end:]); err == nil {
		err = file.readForks()
	}
	if err != nil {
		return nil, errors.Join(err, file.f.Close())
	}
	return file, nil
}

// mendEnd completes or removes a last line without its end. A line that is valid and lacks only its end is kept.
func (f *File) mendEnd(tail []byte) error {
	if len(tail) == 0 {
		return nil
	}
	if err := f.f.Truncate(f.size); err != nil {
		return err
	}
	if e, err := decode(tail); err == nil {
		if next, err := f.log.main.extend([]Entry{e}); err == nil {
			f.log.main = next
			f.log.update()
			return f.extend([]Entry{e})
		}
	}
	f.torn = len(tail)
	return f.f.Sync()
}

// damage says where a log is damaged.
func damage(path string, text []byte, err error) error {
	var line *LineError
	if !errors.As(err, &line) {
		return &DamageError{Path: path, Line: 1, Last: len(text) == 0, Err: err}
	}
	lines := int64(bytes.Count(text, []byte("\n")))
	return &DamageError{Path: path, Line: line.Number, Last: line.Number >= lines, Err: err}
}

// SetAside renames a damaged log, so that a new one can be pulled from another manager. It keeps one damaged log.
func SetAside(folder string) error {
	return os.Rename(filepath.Join(folder, logFile), filepath.Join(folder, damagedFile))
}

// Torn returns the number of bytes of an incomplete last line that Open removed.
func (f *File) Torn() int { return f.torn }

// State returns what the log says. It never changes.
func (f *File) State() *State {
	f.lock.Lock()
	defer f.lock.Unlock()
	return f.log.State()
}

// Lines returns lines for another manager: see Log.Lines.
func (f *File) Lines(of Hash, from int64) ([]byte, bool) {
	f.lock.Lock()
	defer f.lock.Unlock()
	return f.log.Lines(of, from)
}

// First returns the first lines: see Log.First.
func (f *File) First() []byte {
	f.lock.Lock()
	defer f.lock.Unlock()
	return f.log.First()
}

// Heads returns the last lines of the log and its branches: see Log.Heads.
func (f *File) Heads() []Head {
	f.lock.Lock()
	defer f.lock.Unlock()
	return f.log.Heads()
}

// Knows reports whether the log or one of its branches has the line.
func (f *File) Knows(h Head) bool {
	f.lock.Lock()
	defer f.lock.Unlock()
	return f.log.Knows(h)
}

// Pull takes what another manager has: see Log.Pull. The log may change otherwise while fetch runs.
func (f *File) Pull(heads []Head, fetch func(head Hash, from int64) ([]byte, error), now time.Time) error {
	return pull(f, heads, fetch, now)
}

// Add prepares a line and appends it. Prepare is called with the log, and usually calls its Prepare.
func (f *File) Add(prepare func(*Log) (Entry, error), now time.Time) (Entry, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	e, err := prepare(f.log)
	if err != nil {
		return Entry{}, err
	}
	return e, f.change(func(l *Log) error { return l.Append(e, now) })
}

// Settle ends a fork: see Log.Settle.
func (f *File) Settle(of Hash, key *ecdsa.PrivateKey, now time.Time) error {
	f.lock.Lock()
	defer f.lock.Unlock()
	return f.change(func(l *Log) error { return l.Settle(of, key, now) })
}

// Append appends a line that somebody else has prepared, and returns it: see Log.Append.
func (f *File) Append(text []byte, now time.Time) (Entry, error) {
	e, err := decode(bytes.TrimSuffix(text, []byte("\n")))
	if err != nil {
		return Entry{}, &LineError{f.State().Number + 1, err}
	}
	f.lock.Lock()
	defer f.lock.Unlock()
	return e, f.change(func(l *Log) error { return l.Append(e, now) })
}

// Merge takes lines from another manager: see Log.Merge.
func (f *File) Merge(text []byte, now time.Time) (Change, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	var change Change
	err := f.change(func(l *Log) (err error) {
		change, err = l.Merge(text, now)
		return err
	})
	if err != nil {
		return Change{}, err
	}
	return change, nil
}

// Close closes the file.
func (f *File) Close() error {
	f.lock.Lock()
	defer f.lock.Unlock()
	if f.failed == nil {
		f.failed = fs.ErrClosed
	}
	return f.f.Close()
}

// change changes a copy of the log, writes what is new, and takes the copy if it is on disk.
func (f *File) change(with func(*Log) error) error {
	if f.failed != nil {
		return f.failed
	}
	next := *f.log
	next.other = append([]branch(nil), f.log.other...)
	if err := with(&next); err != nil {
		return err
	}
	if next.main.contains(f.log.main) && sameBranches(next.other, f.log.other) {
		if err := f.extend(next.main.entries[len(f.log.main.entries):]); err != nil {
			return err
		}
		f.log = &next
		return nil
	}
	// First the branches: with them on disk a crash loses nothing, since one that is a part of the log is ignored.
	if err := f.writeForks(&next); err != nil {
		return err
	}
	if !next.main.contains(f.log.main) {
		if err := f.rewrite(&next); err != nil {
			return err
		}
	} else if err := f.extend(next.main.entries[len(f.log.main.entries):]); err != nil {
		return err
	}
	f.log = &next
	f.removeForks()
	return nil
}

// extend appends lines to the file and syncs it. After an error the file is as before, or nothing can be written any
// more.
func (f *File) extend(entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	var text []byte
	for _, e := range entries {
		text = append(text, e.encode()...)
	}
	_, err := f.f.WriteAt(text, f.size)
	if err == nil {
		if err = f.f.Sync(); err == nil {
			f.size += int64(len(text))
			return nil
		}
		// Pages that a failed sync lost aren't written by the next one: only a new reading shows what is on disk.
		err = fmt.Errorf("sync the access log: %w; restart the manager to read it again", err)
		f.failed = err
	} else {
		err = fmt.Errorf("write the access log: %w", err)
	}
	if undo := f.f.Truncate(f.size); undo != nil {
		err = fmt.Errorf("%w, and it can't be brought back: %w", err, undo)
		f.failed = err
	}
	return err
}

// rewrite replaces the whole file.
func (f *File) rewrite(l *Log) error {
	path := filepath.Join(f.folder, logFile)
	text := l.main.lines(1, maxBytes)
	if err := durable.Replace(path, text, durable.Options{Mode: 0o600}); err != nil {
		return err
	}
	opened, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		f.failed = err // the open file is no longer the log
		return err
	}
	if f.f != nil {
		_ = f.f.Close() // everything in it was synced
	}
	f.f, f.size = opened, int64(len(text))
	return nil
}

func (f *File) forkPath(b branch) string {
	return filepath.Join(f.folder, forkPrefix+b.state.Head.String()[:32])
}

// writeForks writes the branches of the log that will be, each as a whole, so that it doesn't depend on the log.
func (f *File) writeForks(next *Log) error {
	for _, o := range next.other {
		if _, err := os.Stat(f.forkPath(o)); err == nil {
			continue
		}
		if err := durable.Replace(f.forkPath(o), o.lines(1, maxBytes), durable.Options{Mode: 0o600}); err != nil {
			return err
		}
	}
	return nil
}

// removeForks removes files of branches that the log doesn't have any more. What can't be removed is ignored when the
// log is opened.
func (f *File) removeForks() {
	wanted := map[string]bool{}
	for _, o := range f.log.other {
		wanted[f.forkPath(o)] = true
	}
	for _, path := range f.forkFiles() {
		if !wanted[path] {
			_ = os.Remove(path)
		}
	}
}

// forkFiles returns the paths of the files of branches.
func (f *File) forkFiles() []string {
	paths, _ := filepath.Glob(filepath.Join(f.folder, forkPrefix+"*")) // fails only for an invalid pattern
	sort.Strings(paths)
	return paths
}

// readForks reads the branches. One that can't be read is an error: without it the state would allow more.
func (f *File) readForks() error {
	head := f.log.main.state.Head
	for _, path := range f.forkFiles() {
		if filepath.Ext(path) == durable.TempSuffix {
			continue // a crash left it before it counted
		}
		text, err := readBounded(path)
		if err != nil {
			return err
		}
		entries, err := parse(text)
		if err == nil {
			_, err = f.log.merge(entries)
		}
		if err != nil {
			return &DamageError{Path: path, Line: 1, Err: err}
		}
	}
	if f.log.main.state.Head == head {
		return nil
	}
	// A crash came between the writing of a branch and that of the log.
	if err := f.writeForks(f.log); err != nil {
		return err
	}
	return f.rewrite(f.log)
}

// readBounded reads a file that has at most maxBytes.
func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxBytes {
		return nil, fmt.Errorf("%s has %d bytes: an access log has at most %d", path, info.Size(), maxBytes)
	}
	return os.ReadFile(path)
}
