package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"dkvrun/cmd/dkvrun/internal/exit"

	"golang.org/x/sys/unix"
)

// errNoReader is why a run ends whose standard output has lost its reader: | head.
var errNoReader = &exit.Error{Status: exit.NoReader, Message: "stopped: standard output was closed"}

// output is standard output. It remembers what could not be written: print can't say so.
type output struct {
	file io.Writer
	lost error                   // of the first write that failed
	stop context.CancelCauseFunc // ends the run that nobody reads
}

// watchOutput lets a run whose output nobody reads end as Ctrl-C lets it, with its clean-ups.
func watchOutput(ctx context.Context, file io.Writer) (context.Context, *output) {
	ctx, stop := context.WithCancelCause(ctx)
	return ctx, &output{file: file, stop: stop}
}

// spared is a file whose writes fail when nobody reads it. At descriptors 1 and 2 the process would end there
// and then; to ignore its signal costs a thirtieth of a start.
func spared(f *os.File) *os.File {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return f
	}
	return os.NewFile(uintptr(fd), f.Name())
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.file.Write(b)
	if err != nil && o.lost == nil {
		o.lost = err
		if errors.Is(err, syscall.EPIPE) {
			o.stop(errNoReader)
		}
	}
	return n, err
}

// complete returns an error where output was lost.
func (o *output) complete() error {
	switch {
	case o.lost == nil:
		return nil
	case errors.Is(o.lost, syscall.EPIPE):
		return exit.Reported(errNoReader)
	}
	return fmt.Errorf("standard output is not complete: %w", o.lost)
}
