package interrupt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"dkvrun/cmd/dkvrun/internal/exit"
)

// errNoReader is why a run ends whose standard output has lost its reader: | head.
var errNoReader = &exit.Error{Status: exit.NoReader, Message: "stopped: standard output was closed"}

// Stdout is standard output. It remembers what could not be written: print can't say so.
type Stdout struct {
	file io.Writer
	Lost error                   // of the first write that failed
	stop context.CancelCauseFunc // ends the run that nobody reads
}

// WatchStdout lets a run whose output nobody reads end as Ctrl-C lets it, with its clean-ups.
func WatchStdout(ctx context.Context, file io.Writer) (context.Context, *Stdout) {
	ctx, stop := context.WithCancelCause(ctx)
	return ctx, &Stdout{file: file, stop: stop}
}

// Spared is a file whose writes fail when nobody reads it. At descriptors 1 and 2 the process would end there
// and then; to ignore its signal costs a thirtieth of a start.
func Spared(f *os.File) *os.File {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return f
	}
	return os.NewFile(uintptr(fd), f.Name())
}

func (o *Stdout) Write(b []byte) (int, error) {
	n, err := o.file.Write(b)
	if err != nil && o.Lost == nil {
		o.Lost = err
		if errors.Is(err, syscall.EPIPE) {
			o.stop(errNoReader)
		}
	}
	return n, err
}

// Complete returns an error where output was lost.
func (o *Stdout) Complete() error {
	switch {
	case o.Lost == nil:
		return nil
	case errors.Is(o.Lost, syscall.EPIPE):
		return exit.Reported(errNoReader)
	}
	return fmt.Errorf("standard output is not complete: %w", o.Lost)
}
