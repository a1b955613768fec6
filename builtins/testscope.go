package builtins

import "context"

// Part makes ctx that of a part of the run, a test for instance: failures that nothing has looked at, and
// what a dry run has planned, stay within it. overlooked returns the first of those failures, or nil. With
// a session of its own, the part begins with the run's and leaves that as it is. Parts don't overlap.
func (r *Run) Part(ctx context.Context, ownSession bool) (part context.Context, overlooked func() error) {
	r.foresight.forget()
	s := r.root.ForTask()
	if !ownSession {
		s.session = r.root.session
	}
	return s.Context(ctx), (&Run{root: s}).Overlooked
}

func (f *foresight) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stores, f.data = nil, nil
}
