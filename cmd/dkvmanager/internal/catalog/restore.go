package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/runtime/durable"
	"dkvrun/runtime/wire"
)

// Read returns the content of the catalog in a folder that a manager may hold, without changing anything. If it may
// lack changes, it has the marks of a suspect manager.
func Read(dir string) (*Data, error) {
	found, err := readCopies(dir)
	if err != nil {
		return nil, err
	}
	latest, doubt := found.choose()
	if latest == nil {
		return nil, errors.New(found.lost(dir))
	}
	if doubt != "" {
		latest.data.markAllSuspect()
	}
	return latest.data, nil
}

// replacedSuffix ends the name under which Restore keeps the catalog that it replaces; it is never read.
const replacedSuffix = ".replaced"

// Restored says what Restore has done.
type Restored struct {
	Generation uint64 // of the copy
	Stores     int
	// Kept is the file with the catalog that was replaced; empty if there was none that could be read.
	Kept string
}

// Restore makes a copy of a catalog the catalog of the data folder dir, durably. The copy may lack changes, so every
// store and every name in it is suspect, and adopt is called as by Open. It fails, and changes nothing, while a manager
// holds the folder, and if the copy is damaged, of a newer version, or of another manager.
//
// A crash leaves the catalog as it was, or restored; calling Restore again does no harm.
func Restore(dir, copyOf string, adopt func(*Data) error) (*Restored, error) {
	f, data, err := read(copyOf)
	if err != nil {
		return nil, fmt.Errorf("the copy can't be used: %s", notFound(err))
	}
	if data.Stores == nil {
		data.Stores = map[string]*Store{}
	}
	identity, err := readIdentity(dir)
	switch {
	case err != nil:
		return nil, err
	case identity == "":
		return nil, fmt.Errorf("%s has no file %s, so it is no manager's data folder: a catalog is restored where the manager has run",
			dir, identityFile)
	}
	if err := data.checkManager(identity); err != nil {
		return nil, err
	}
	c, err := Open(dir, adopt)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := data.fallBack(adopt); err != nil {
		return nil, err
	}
	payload, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	done := &Restored{Generation: f.Generation, Stores: len(data.Stores)}
	if c.lost != "" {
		return done, c.restoreLost(f, data, payload)
	}
	if refusal := c.ReadOnly(); refusal != nil {
		return nil, refusal
	}
	done.Kept = filepath.Join(c.dir, mainFile+replacedSuffix)
	if err := os.Remove(done.Kept); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err := os.Link(filepath.Join(c.dir, mainFile), done.Kept); err != nil {
		return nil, err
	}
	// Other managers may have heard of a later generation of this one: they tell it, see FallBehind.
	return done, write(c.dir, formatOf(data), max(c.Generation(), f.Generation)+1, payload, failpoint.At)
}

// restoreLost writes the files of a catalog of which none can be used: first the copy as the generation before, which
// a crash then leaves, and the start is in doubt.
func (c *Catalog) restoreLost(f *file, data *Data, payload []byte) error {
	for _, name := range []string{mainFile, twinFile, previousFile} {
		path := filepath.Join(c.dir, name)
		if err := os.Rename(path, path+damagedSuffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	before := file{Format: f.Format, Generation: f.Generation, Checksum: f.Checksum, Payload: f.Payload}
	previous, err := before.encode()
	if err != nil {
		return err
	}
	main, twin, err := texts(formatOf(data), f.Generation+1, payload)
	if err != nil {
		return err
	}
	for _, x := range []struct {
		name string
		text []byte
	}{{previousFile, previous}, {twinFile, twin}, {mainFile, main}} {
		err := durable.Replace(filepath.Join(c.dir, x.name), x.text, durable.Options{Mode: 0o600, Failpoint: failpoint.At})
		if err != nil {
			return err
		}
	}
	return nil
}

// checkManager refuses a copy whose stores are all of other managers.
func (d *Data) checkManager(identity string) error {
	own := func(w wire.Manager) bool { return w.Identity == identity }
	others := 0
	for _, s := range d.Stores {
		if len(s.Managers) == 0 || slices.ContainsFunc(s.Managers, own) {
			return nil
		}
		others++
	}
	if others == 0 {
		return nil
	}
	return fmt.Errorf("the copy is of another manager: none of its %d stores has manager %s", others, identity)
}

// FallBehind must be called when another manager has heard of a later generation of this catalog than this manager has
// on disk: an older copy was put back by hand. It marks everything suspect and continues above that generation, in one
// write, and reports whether the catalog was behind.
func (c *Catalog) FallBehind(heard uint64) (behind bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if heard <= c.Generation() || heard > wire.MaxGeneration {
		return false, nil
	}
	if refusal := c.ReadOnly(); refusal != nil {
		return false, refusal
	}
	next := c.data.Load().clone()
	next.markAllSuspect()
	payload, err := json.Marshal(next)
	if err != nil {
		return false, fmt.Errorf("catalog: %w", err)
	}
	if err := c.save(next, payload, heard+1); err != nil {
		return false, err
	}
	return true, nil
}
