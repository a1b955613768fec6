package builtins

import "context"

// Part makes ctx that of a part of the run, a test for instance: failures that nothing has looked at
// stay within it, and overlooked returns the first of them, or nil. With a session of its own, the part
// begins with the run's and leaves that as it is.
func (r *Run) Part(ctx context.Context, ownSession bool) (part context.Context, overlooked func() error) {
	s := r.root.forTask()
	if !ownSession {
		s.connected = r.root.connected
	}
	return s.in(ctx), (&Run{root: s}).Overlooked
}
