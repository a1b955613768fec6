package builtins

import (
	"context"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/runtime"
)

// Scope is the state of the task that a call belongs to: its session, and the failures that it has to check. A context
// carries it, so that a task begins in the scope of the call that began it.
type Scope struct {
	session *holder
	unseen  *unseen
	// Depth counts the steps that enclose the call.
	Depth int
}

// holder holds the session of a task. A function that a task calls with another session has its own.
type holder struct{ session *cluster.Session }

type scopeKey struct{}

// Scope returns the scope of a call.
func (r *Run) Scope(c *runtime.Call) *Scope {
	if s, ok := c.Context().Value(scopeKey{}).(*Scope); ok {
		return s
	}
	return &r.root
}

// Context returns the context of a call in this scope.
func (s Scope) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, scopeKey{}, &s)
}

// ForTask returns the scope that a new task begins with.
func (s Scope) ForTask() Scope {
	s.session = &holder{s.session.session}
	s.unseen = &unseen{}
	return s
}

// WithSession returns the scope with another session.
func (s Scope) WithSession(session *cluster.Session) Scope {
	s.session = &holder{session}
	return s
}

// Session returns the session of the scope, or nil.
func (s Scope) Session() *cluster.Session { return s.session.session }

// SetSession replaces the session of the scope.
func (s Scope) SetSession(session *cluster.Session) { s.session.session = session }
