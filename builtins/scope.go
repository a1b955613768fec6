package builtins

import (
	"context"

	"dkvrun/runtime"
)

// scope is what a call finds of its surroundings: each task has its own session and its own failures to
// look at. Contexts carry it, so that a task begins in the scope that began it.
type scope struct {
	connected *connected
	unseen    *unseen
	// depth is how many steps the call is in.
	depth int
}

// connected holds a task's session. The functions that a task calls with another session have their own.
type connected struct{ session *session }

type scopeKey struct{}

// scope is the one that the call is made in.
func (r *Run) scope(c *runtime.Call) *scope {
	if s, ok := c.Context().Value(scopeKey{}).(*scope); ok {
		return s
	}
	return &r.root
}

// in is the context of a call in another scope.
func (s scope) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, scopeKey{}, &s)
}

// forTask is the scope that a task begins with.
func (s scope) forTask() scope {
	s.connected = &connected{s.connected.session}
	s.unseen = &unseen{}
	return s
}

// session is the session of the task that calls, nil where it has none.
func (r *Run) session(c *runtime.Call) *session { return r.scope(c).connected.session }

func (r *Run) use(c *runtime.Call, s *session) { r.scope(c).connected.session = s }
