package runtime

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// tasks are those of a scope that have not ended.
type tasks struct {
	mu  sync.Mutex
	all map[*Task]struct{}
}

func (s *tasks) add(t *Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[*Task]struct{}{}
	}
	s.all[t] = struct{}{}
}

func (s *tasks) remove(t *Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, t)
}

func (s *tasks) since(first int) []*Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	some := slices.Collect(maps.Keys(s.all))
	return slices.DeleteFunc(some, func(t *Task) bool { return t.number < first })
}

// endTasks cancels the tasks of t's scope that were begun as number first or later, and waits for
// them.
func (t *task) endTasks(first int) {
	if t.begun == first {
		return
	}
	left := t.scope.tasks.since(first)
	if len(left) == 0 {
		return
	}
	for _, task := range left {
		task.cancel()
	}
	t.unlocked(func() {
		for _, task := range left {
			<-task.ended
		}
	})
}

// within runs f, which has the baton, in a scope of ctx.
func (t *task) within(ctx context.Context, f func() (Values, error)) (Values, error) {
	leave := t.enter(ctx)
	defer leave()
	s, first := t.scope, t.begun
	defer s.left.Store(true)
	defer t.endTasks(first)
	return f()
}
