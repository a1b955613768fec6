package suite

import (
	"context"
	"errors"
	"slices"
)

// begin starts an attempt, which collects the output and the actions.
func (f *file) begin() *attempt {
	a := &attempt{}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = a
	return a
}

// finish ends the attempt.
func (f *file) finish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = nil
}

// running returns the current attempt, or nil between tests.
func (f *file) running() *attempt {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// writer passes the output of a script to the current attempt.
type writer struct{ file *file }

func (w writer) Write(b []byte) (int, error) {
	if a := w.file.running(); a != nil {
		return a.Write(b)
	}
	return len(b), nil
}

// act passes the line of an action's row to the current attempt.
func (f *file) act(line string) {
	if a := f.running(); a != nil {
		a.act(line)
	}
}

// open begins a scope in the current one.
func (f *file) open() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.scopes = append(f.scopes, nil)
}

// close ends the innermost scope. It calls the functions of AtEnd, the last one first, each with a new time limit.
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

// AtEnd implements Scope.
func (f *file) AtEnd(end func(context.Context) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.scopes) == 0 {
		return errors.New("not allowed while the file is read: call it in setup, before_each or a test")
	}
	i := len(f.scopes) - 1
	f.scopes[i] = append(f.scopes[i], end)
	return nil
}

// Abort implements Scope.
func (f *file) Abort(cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.abort != nil {
		f.abort(cause)
	} else if f.lost == nil {
		f.lost = cause
	}
}

// setAbort makes Abort call abort. If Abort was called before, between two tests, it calls abort at once.
func (f *file) setAbort(abort context.CancelCauseFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.abort = abort
	if abort != nil && f.lost != nil {
		abort(f.lost)
		f.lost = nil
	}
}
