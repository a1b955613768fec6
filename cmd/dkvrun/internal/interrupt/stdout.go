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

// errClosed is the cause of a run's end when the reader of its standard output is gone, as with | head.
var errClosed = &exit.Error{Status: exit.NoReader, Message: "stopped: standard output was closed"}

// Stdout is standard output. It remembers a failed write, since Lua's print reports none.
type Stdout struct {
	file io.Writer
	Lost error                   // the error of the first write that failed, or nil
	stop context.CancelCauseFunc // ends the run when the reader is gone
}

// WatchStdout returns a context that is cancelled when the reader of file is gone, and the writer that notices it. The
// run then ends as after Ctrl-C, with its clean-up.
func WatchStdout(ctx context.Context, file io.Writer) (context.Context, *Stdout) {
	ctx, stop := context.WithCancelCause(ctx)
	return ctx, &Stdout{file: file, stop: stop}
}

// WithoutSIGPIPE returns a duplicate of f. A write to it fails with EPIPE when its reader is gone; at descriptors 1
// and 2 Go raises SIGPIPE instead. To ignore the signal would make a start 3 % slower.
func WithoutSIGPIPE(f *os.File) *os.File {
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
			o.stop(errClosed)
		}
	}
	return n, err
}

// Closed returns the reason for the end of a run whose reader of standard output is gone, or nil.
func (o *Stdout) Closed() error {
	if errors.Is(o.Lost, syscall.EPIPE) {
		return errClosed
	}
	return nil
}

// Complete returns an error if output was lost.
func (o *Stdout) Complete() error {
	switch {
	case o.Lost == nil:
		return nil
	case o.Closed() != nil:
		return exit.Reported(errClosed)
	}
	return fmt.Errorf("standard output is not complete: %w", o.Lost)
}
