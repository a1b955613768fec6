package catalog

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The reserve is room on the disk for the end of what this manager has voted for. A vote is a promise: a
// disk that has become full since must not break it.
const (
	reserveFile = "reserve"
	reserveSize = 1 << 20 // bytes; a catalog of a hundred stores has about 100 KiB
)

// keepReserve makes the reserve where it is missing.
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

// spendReserve gives the reserve's room back to the disk, and says whether there was one.
func spendReserve(dir string) bool { return os.Remove(filepath.Join(dir, reserveFile)) == nil }

// full says whether a disk, or what this manager may have of it, is.
func full(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// promises counts the changes and repairs that are begun here and not decided.
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

// save writes payload as the next generation. What makes a promise needs the reserve to be there; what ends
// one may use it.
func (c *Catalog) save(payload []byte, promises int) error {
	if promises > 0 {
		if err := keepReserve(c.dir); err != nil {
			return err
		}
	}
	err := write(c.dir, c.generation+1, payload)
	if full(err) && promises < 0 && spendReserve(c.dir) {
		err = write(c.dir, c.generation+1, payload)
	}
	return err
}
