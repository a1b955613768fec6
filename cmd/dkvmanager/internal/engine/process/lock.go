package process

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

// The lock is a POSIX record lock on the whole file: the kernel releases it when the process ends, however it ends, and
// tells others who holds it. It is also released when the process closes any descriptor of the file, so the holder
// opens the file once and keeps it open.

// acquire locks the working directory, which is folder.
func acquire(folder string) (*os.File, error) {
	f, err := os.OpenFile(engine.LockFile, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("instance folder %s: %w", folder, err)
	}
	whole := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart}
	err = syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &whole)
	if err == nil {
		return f, nil
	}
	defer f.Close()
	if !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EACCES) {
		return nil, fmt.Errorf("lock of instance folder %s: %w", folder, err)
	}
	pid, err := holder(f)
	if err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("instance folder %s is in use by process %d: stop that instance first", folder, pid)
}

// Holder returns the process that runs the instance in folder, or 0. The holder itself must not call it: that would
// release its lock.
func Holder(folder string) (pid int, err error) {
	f, err := os.Open(filepath.Join(folder, engine.LockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return holder(f)
}

func holder(f *os.File) (pid int, err error) {
	found := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &found); err != nil {
		return 0, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	if found.Type == syscall.F_UNLCK {
		return 0, nil
	}
	return int(found.Pid), nil
}
