package run

import (
	"context"
	"fmt"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/runtime"
)

// Scope is the state of the task that a call belongs to: its session and its checklist. It is stored in the context,
// so a task begins in the scope of the call that started it.
type Scope struct {
	session   *holder
	Checklist *Checklist
	// Depth is the number of steps around the call.
	Depth int
}

// holder holds the session of a task, or of a function that runs with another session.
type holder struct{ session *cluster.Session }

type scopeKey struct{}

// Scope returns the scope of a call.
func (r *Run) Scope(c *runtime.Call) *Scope {
	if s, ok := c.Context().Value(scopeKey{}).(*Scope); ok {
		return s
	}
	return &r.root
}

// RootChecklist returns the checklist of the script itself.
func (r *Run) RootChecklist() *Checklist { return r.root.Checklist }

// Context returns the context of a call in this scope.
func (s Scope) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, scopeKey{}, &s)
}

// ForTask returns the scope that a new task begins with.
func (s Scope) ForTask() Scope {
	s.session = &holder{s.session.session}
	s.Checklist = &Checklist{}
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

// TestScope returns the context of a test or a hook. Its unchecked failures and planned state don't affect other tests.
// unchecked returns the first of these failures, or nil. With ownSession the scope begins with a copy of the run's
// session and leaves the original unchanged. Test scopes must not overlap.
func (r *Run) TestScope(ctx context.Context, ownSession bool) (scope context.Context, unchecked func() error) {
	r.planned.reset()
	s := r.root.ForTask()
	if !ownSession {
		s.session = r.root.session
	}
	return s.Context(ctx), (&Run{root: s}).UncheckedFailure
}

// MayAct returns an error if an earlier failure is unchecked, so that a script that does not check its results stops
// before its next action.
func (r *Run) MayAct(c *runtime.Call) error {
	if r.KeepGoing {
		return nil
	}
	before := r.Scope(c).Checklist.First()
	if before == nil {
		return nil
	}
	return &runtime.Error{
		File: before.File, Line: before.Line, Code: "overlooked", Hint: before.Remedy,
		Message: fmt.Sprintf("%s and its result was never checked: not running %s (line %d)", before.What, c.Name, c.Line),
	}
}
