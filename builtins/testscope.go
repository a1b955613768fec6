package builtins

import "context"

// TestScope makes ctx that of a test or a hook: unchecked failures, and what a dry run has planned, stay within it.
// unchecked returns the first of those failures, or nil. With ownSession, the scope begins with a copy of the run's
// session and leaves that unchanged. Scopes don't overlap.
func (r *Run) TestScope(ctx context.Context, ownSession bool) (scope context.Context, unchecked func() error) {
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
