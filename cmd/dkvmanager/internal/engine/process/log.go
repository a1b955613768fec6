package process

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

const (
	// maxLog is the size in bytes from which a new log is begun; one old log is kept, as engine.OldLogFile.
	maxLog = 10 << 20
	// logInterval is the time between two looks at the size of the log.
	logInterval = 2 * time.Second
)

// OpenLog opens a folder's log for appending. A large log is renamed first.
func OpenLog(folder string) (*os.File, error) {
	path := filepath.Join(folder, engine.LogFile)
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, filepath.Join(folder, engine.OldLogFile)); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

// rotateLog begins a new log whenever the log in the working directory is large, if this process's standard error is
// that log. No line is lost: standard output and error change from the old file to the new one in one step.
func rotateLog(ctx context.Context, log io.Writer) {
	tick := time.NewTicker(logInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		open, err := os.Stderr.Stat()
		if err != nil || open.Size() <= maxLog {
			continue
		}
		if named, err := os.Stat(engine.LogFile); err != nil || !os.SameFile(open, named) {
			continue
		}
		if err := beginLog(); err != nil {
			fmt.Fprintf(log, "no new log can be begun: %v\n", err)
		}
	}
}

// beginLog begins a new log.
func beginLog() error {
	f, err := OpenLog(".")
	if err != nil {
		return err
	}
	defer f.Close()
	for _, standard := range []int{unix.Stdout, unix.Stderr} {
		if err := unix.Dup3(int(f.Fd()), standard, 0); err != nil {
			return err
		}
	}
	return nil
}
