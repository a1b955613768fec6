package suite

import (
	"context"
	"errors"
	"slices"
)

// begin makes a the attempt that takes what is printed and done.
func (f *file) begin() *attempt {
	a := &attempt{}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = a
	return a
}

func (f *file) finish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = nil
}

// running is the present attempt, nil between tests.
func (f *file) running() *attempt {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// writer gives what a script prints to the attempt that runs.
type writer struct{ file *file }

func (w writer) Write(b []byte) (int, error) {
	if a := w.file.running(); a != nil {
		return a.Write(b)
	}
	return len(b), nil
}

// act takes the line of an action's row.
func (f *file) act(line string) {
	if a := f.running(); a != nil {
		a.act(line)
	}
}

// open begins a scope within the present one.
func (f *file) open() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.scopes = append(f.scopes, nil)
}

// close ends the innermost scope: what was to be called at its end is called, the last one first, each
// with a time limit of its own.
func (f *file) close(ctx context.Context) []error {
	f.mu.Lock()
	ends := f.scopes[len(f.scopes)-1]
	f.scopes = f.scopes[:len(f.scopes)-1]
	f.mu.Unlock()
	var errs []error
	for _, end := range slices.Backward(ends) {
		if err := f.cleanUp(ctx, end); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// AtEnd is Scope's.
func (f *file) AtEnd(end func(context.Context) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.scopes) == 0 {
		return errors.New("not while a file is read: it belongs into setup, before_each or a test")
	}
	i := len(f.scopes) - 1
	f.scopes[i] = append(f.scopes[i], end)
	return nil
}

// Abort is Scope's.
func (f *file) Abort(cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.abort != nil {
		f.abort(cause)
	} else if f.lost == nil {
		f.lost = cause
	}
}

// setAbort makes abort end what runs now; what was lost before, between two tests, ends it at once.
func (f *file) setAbort(abort context.CancelCauseFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.abort = abort
	if abort != nil && f.lost != nil {
		abort(f.lost)
		f.lost = nil
	}
}
