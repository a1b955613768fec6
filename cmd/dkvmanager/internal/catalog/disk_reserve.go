package catalog

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
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

// save writes payload as the next generation. promises is the value of Data.promises after the Update minus the value
// before it. An Update that adds a promise first makes sure that the reserve exists; an Update that ends one may spend
// the reserve (I4).
func (c *Catalog) save(payload []byte, promises int) error {
	if promises > 0 {
		if err := keepReserve(c.dir); err != nil {
			return err // without the reserve the manager does not vote
		}
	}
	err := write(c.dir, c.generation+1, payload)
	// The next promise creates the reserve again, or is refused.
	if full(err) && promises < 0 && spendReserve(c.dir) {
		err = write(c.dir, c.generation+1, payload)
	}
	return err
}
