package catalog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"dkvrun/runtime/durable"
	"dkvrun/runtime/wire"
)

// The reserve is disk space for the outcome of operations that this manager has voted for. A manager that voted
// must be able to commit (I4), also on a disk that has become full since.
const (
	reserveFile = "reserve"
	reserveSize = 1 << 20 // bytes; a catalog of a hundred stores has about 100 KiB
)

// keepReserve creates the reserve if it is missing. The blocks must be allocated: a sparse file would free nothing.
func keepReserve(dir string) error {
	path := filepath.Join(dir, reserveFile)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, reserveSize)
	if errors.Is(err, unix.EOPNOTSUPP) {
		_, err = f.Write(make([]byte, reserveSize))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(path)
	}
	return err
}

// spendReserve deletes the reserve and reports whether there was one. The deletion is not synced: if a crash brings the
// file back, the reserve is there again, and no content of it matters.
func spendReserve(dir string) bool { return os.Remove(filepath.Join(dir, reserveFile)) == nil }

// full reports whether the disk or the quota is exhausted.
func full(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// promises counts the prepared operations and the unfinished coordinator replacements: the records whose end must be
// written even on a full disk.
func (d *Data) promises() int {
	count := 0
	for _, n := range d.Names {
		if n.Prepared != nil {
			count++
		}
		if n.Replacing != "" {
			count++
		}
	}
	return count
}

// save writes next, whose encoding is payload, as a new generation. An Update that adds a promise first makes sure
// that the reserve exists; an Update that ends one may spend the reserve (I4). Only after the write may other requests
// see the change and rely on it. The error is a *wire.Result with the code read_only.
func (c *Catalog) save(next *Data, payload []byte, generation uint64) error {
	promises := next.promises() - c.data.Load().promises()
	err := error(nil)
	if promises > 0 {
		err = keepReserve(c.dir) // without the reserve the manager does not vote
	}
	if err == nil {
		err = write(c.dir, formatOf(next), generation, payload, c.fail)
	}
	// The next promise creates the reserve again, or is refused.
	if full(err) && promises < 0 && !unknown(err) && spendReserve(c.dir) {
		err = write(c.dir, formatOf(next), generation, payload, c.fail)
	}
	if unknown(err) {
		c.failed <- fmt.Errorf("the catalog in %s may have the old or the new content: %w", c.dir, cause(err))
		select {} // the manager ends
	}
	if err != nil {
		return wire.RefuseCatalogUnwritable.With(c.dir, cause(err))
	}
	c.generation.Store(generation)
	c.payload = payload
	c.size.Store(int64(len(payload)))
	c.data.Store(next)
	return nil
}

// unknown reports whether a failed write could not be undone.
func unknown(err error) bool {
	var failed *durable.Error
	return errors.As(err, &failed) && failed.Unknown
}
