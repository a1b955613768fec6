package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/runtime/durable"
	"dkvrun/runtime/wire"
)

// Catalog is the one open catalog of a data folder. Its methods may be called from any goroutine.
type Catalog struct {
	dir      string
	identity string
	lock     *os.File
	repaired string
	lost     string

	// data is never changed once it is visible: Update puts a changed copy in its place.
	data atomic.Pointer[Data]

	mu         sync.Mutex // one Update at a time
	generation uint64
	payload    []byte
}

// Open takes the data folder dir for this process and loads what it holds; a folder that is empty or
// not there becomes a new catalog. A catalog that was there and of which no generation is whole opens as
// Lost: it never starts empty instead. It fails when another process has the folder, when the disk does
// not give the files, and when a newer version wrote them.
func Open(dir string) (*Catalog, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w", dir, err)
	}
	if err := makeFolder(dir); err != nil {
		return nil, err
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	c := &Catalog{dir: dir, lock: lock}
	if err := c.load(); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return c, nil
}

// Close lets another process open the folder.
func (c *Catalog) Close() error { return c.lock.Close() }

// Dir is the data folder's absolute path.
func (c *Catalog) Dir() string { return c.dir }

// Identity is the manager's name for life: made with the folder, kept in it.
func (c *Catalog) Identity() string { return c.identity }

// Repaired says in a sentence what Open had to leave behind, or is empty. The last change may be lost
// then.
func (c *Catalog) Repaired() string { return c.repaired }

// Snapshot returns a copy of what is known now.
func (c *Catalog) Snapshot() *Data { return c.data.Load().clone() }

// Update changes the catalog: f works on a copy, and when it returns nil the copy is made durable and
// only then visible. An error of f is returned as it is. When the disk refuses, the error is a
// *wire.Result with code read_only. With any error the catalog is what it was, in memory and on disk.
func (c *Catalog) Update(f func(*Data) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer failpoint.Enter("")
	next := c.data.Load().clone()
	if err := f(next); err != nil {
		return err
	}
	next.markStarted()
	payload, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("catalog: %w", err)
	}
	if bytes.Equal(payload, c.payload) {
		return nil
	}
	if c.lost != "" {
		return c.ReadOnly()
	}
	if err := c.save(payload, next.promises()-c.data.Load().promises()); err != nil {
		return &wire.Result{
			StatusCode: 503,
			Code:       wire.CodeReadOnly,
			Message:    fmt.Sprintf("the catalog in %s can't be written: %s", c.dir, cause(err)),
			Hint:       "nothing was changed; make room or repair the disk, then try again",
		}
	}
	c.generation++
	c.payload = payload
	c.data.Store(next)
	return nil
}

// markStarted keeps Local.Started, whoever asked for the start.
func (d *Data) markStarted() {
	for _, s := range d.Stores {
		for _, l := range s.Local {
			l.Started = l.Started || l.Desired == wire.DesiredRunning
		}
	}
}

// cause returns what the system said, without the folder's path, which the message has already.
func cause(err error) error {
	var step *durable.Error
	if errors.As(err, &step) {
		return fmt.Errorf("%s %s: %w", step.Step, filepath.Base(step.Path), step.Err)
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("%s %s: %w", path.Op, filepath.Base(path.Path), path.Err)
	}
	return err
}
