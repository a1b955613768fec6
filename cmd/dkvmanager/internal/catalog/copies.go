package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/runtime/durable"
)

// copies are the files of a catalog as Open found them.
type copies struct{ main, twin, previous foundFile }

// foundFile is one file: its content, or why that can't be used.
type foundFile struct {
	path string
	file *file
	data *Data
	err  error
}

// readCopies reads the files of a catalog. It fails if a newer version wrote one of the pair, or if the system does not
// read it now: it may be intact, and the others may lack its last change, perhaps a vote (I4).
func readCopies(dir string) (*copies, error) {
	c := &copies{}
	for name, into := range map[string]*foundFile{mainFile: &c.main, twinFile: &c.twin, previousFile: &c.previous} {
		into.path = filepath.Join(dir, name)
		into.file, into.data, into.err = read(into.path)
		if into.err == nil && into.data.Stores == nil {
			into.data.Stores = map[string]*Store{}
		}
	}
	for _, x := range []*foundFile{&c.main, &c.twin} {
		if errors.Is(x.err, errNewer) || refused(x.err) {
			return nil, x.err
		}
	}
	return c, nil
}

func (x *foundFile) whole() bool { return x.err == nil }

// is reports whether x has the content of the generation in f.
func (x *foundFile) is(f *file) bool {
	return x.whole() && x.file.Generation == f.Generation && x.file.Checksum == f.Checksum
}

// missing reports whether there is no file at all.
func (c *copies) missing() bool {
	for _, x := range []*foundFile{&c.main, &c.twin, &c.previous} {
		if !errors.Is(x.err, fs.ErrNotExist) {
			return false
		}
	}
	return true
}

// lost returns a sentence that says why no file can be used.
func (c *copies) lost(dir string) string {
	if c.missing() {
		return fmt.Sprintf("data folder %s has an identity and no %s", dir, mainFile)
	}
	return fmt.Sprintf("the catalog is damaged and is not replaced by an empty one: %s; %s; %s",
		notFound(c.main.err), notFound(c.twin.err), notFound(c.previous.err))
}

// choose returns the file with the highest generation of those that are whole, or nil. Doubt says why a later
// generation may have been answered, and with it a vote; it is empty if that is not possible.
//
// Main file and twin are written together. If both are whole, the later one is the latest generation. If only one of
// them is whole, it is the latest one if the generation before is just behind it: a copy that was put back by hand, and
// a file whose write the disk has lost, are further behind, or level with it.
func (c *copies) choose() (latest *foundFile, doubt string) {
	var older *foundFile
	later := func(x, than *foundFile) bool {
		return x.whole() && (than == nil || x.file.Generation > than.file.Generation)
	}
	if c.main.whole() {
		latest = &c.main
	}
	if c.twin.whole() && !c.twin.file.Twin {
		older = &c.twin // an older version has put its previous generation there
	} else if later(&c.twin, latest) {
		latest = &c.twin
	}
	if later(&c.previous, older) {
		older = &c.previous
	}
	switch {
	case latest == nil && older == nil:
		return nil, ""
	case latest == nil, older != nil && later(older, latest):
		return older, c.unusable("the files of the latest generation are damaged, missing or older")
	// A version without the twin wrote it: then a whole main file is the latest one.
	case latest == &c.main && latest.file.HeaderChecksum == "":
		return latest, ""
	case c.main.whole() && c.twin.whole() && c.twin.file.Twin:
		if c.main.file.Generation == c.twin.file.Generation && !c.main.is(c.twin.file) {
			return latest, "main file and twin have different contents of the same generation"
		}
		return latest, ""
	case latest.file.Generation == 1 && errors.Is(c.previous.err, fs.ErrNotExist),
		c.previous.whole() && c.previous.file.Generation+1 == latest.file.Generation:
		return latest, ""
	}
	return latest, c.unusable("nothing shows that it is the latest generation")
}

// unusable returns why, with the errors of the files that are not whole.
func (c *copies) unusable(why string) string {
	reasons := []string{why}
	for _, x := range []*foundFile{&c.main, &c.twin, &c.previous} {
		if !x.whole() {
			reasons = append(reasons, notFound(x.err))
		}
	}
	return strings.Join(reasons, "; ")
}

// makeWhole makes main file and twin have the latest generation, durably, before anything is answered from it. With a
// doubt, that generation has the marks of a suspect manager, and is a new one. If the disk refuses, the catalog is
// read-only. A file that can't be used is kept for the operator.
func (c *Catalog) makeWhole(found *copies, latest *foundFile, doubt string, adopt func(*Data) error) error {
	f, data := *latest.file, latest.data
	if doubt != "" {
		c.repaired = fmt.Sprintf("loaded generation %d from %s: %s", f.Generation, filepath.Base(latest.path), doubt)
		if err := data.fallBack(adopt); err != nil {
			return err
		}
		f.Generation++
		var err error
		if f.Payload, err = json.Marshal(data); err != nil {
			return fmt.Errorf("catalog: %w", err)
		}
		f.Checksum = checksum(f.Payload)
	}
	f.Format = formatOf(data)
	c.generation.Store(f.Generation)
	c.payload = f.Payload
	if err := c.writeMissing(found, &f); err != nil {
		c.unwritable = cause(err).Error()
	}
	return nil
}

// fallBack makes d the content of a catalog that may lack its last changes.
func (d *Data) fallBack(adopt func(*Data) error) error {
	d.markAllSuspect()
	if adopt != nil {
		if err := adopt(d); err != nil {
			return err
		}
	}
	d.markStarted()
	return nil
}

// writeMissing writes those files of the pair that don't have the generation in f, first the twin, then the main file.
// A crash in between leaves one of them, whole, and the generation before it.
func (c *Catalog) writeMissing(found *copies, f *file) error {
	main, twin, err := texts(f.Format, f.Generation, f.Payload)
	if err != nil {
		return err
	}
	// An older version's previous generation gets its own name, unless there is a later one.
	if t := &found.twin; t.whole() && !t.file.Twin {
		if !found.previous.whole() || found.previous.file.Generation < t.file.Generation {
			if err := durable.Rename(t.path, found.previous.path); err != nil {
				return err
			}
		}
		t.err = fs.ErrNotExist
	}
	for _, x := range []struct {
		at   *foundFile
		text []byte
	}{{&found.twin, twin}, {&found.main, main}} {
		if x.at.is(f) && x.at.file.HeaderChecksum != "" {
			continue
		}
		if err := c.keepDamaged(x.at, f); err != nil {
			return err
		}
		if err := durable.Replace(x.at.path, x.text, durable.Options{Mode: 0o600, Failpoint: failpoint.At}); err != nil {
			return err
		}
	}
	// A crash may have left renames that are not synced.
	return durable.SyncFolder(c.dir)
}

// keepDamaged gives a file that is about to be replaced another name, if it is damaged or older than a crash explains.
func (c *Catalog) keepDamaged(x *foundFile, latest *file) error {
	switch {
	case errors.Is(x.err, fs.ErrNotExist):
		c.mended = append(c.mended, notFound(x.err))
		return nil
	case x.whole() && x.file.Generation+1 >= latest.Generation:
		return nil
	case x.whole():
		c.mended = append(c.mended, fmt.Sprintf("%s has generation %d and is older than the latest one, %d", x.path,
			x.file.Generation, latest.Generation))
	default:
		c.mended = append(c.mended, x.err.Error())
	}
	kept := x.path + damagedSuffix
	c.mended[len(c.mended)-1] += "; it is kept as " + filepath.Base(kept)
	return os.Rename(x.path, kept)
}

// refused reports whether the system failed to read an existing file. The file may be intact, so an older generation
// must not replace it.
func refused(err error) bool {
	var path *os.PathError
	return errors.As(err, &path) && !errors.Is(err, fs.ErrNotExist)
}

// notFound returns the text of an error, without the system call's name for a missing file.
func notFound(err error) string {
	var path *os.PathError
	if errors.As(err, &path) && errors.Is(err, fs.ErrNotExist) {
		return path.Path + " is missing"
	}
	if err == nil {
		return ""
	}
	return err.Error()
}
