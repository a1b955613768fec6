package runtime

import (
	"fmt"
	"sync"
)

// waits holds the waits of tasks for tasks. A task waits at one place at a time.
type waits struct {
	mu     sync.Mutex
	active map[*task]*Wait
}

// Wait is the wait of a task, in a builtin, for other tasks. It is over when all of them have ended. Where the tasks
// wait for each other so that none of them can end, all their waits end with an error. A wait with a separate time
// limit, such as one in the function of deadline, can end.
type Wait struct {
	call    *Call
	task    *task
	limited bool
	tasks   []*Task
	broken  chan struct{}
	err     error
}

// BeginWait begins the wait of c's task. The caller ends it with End.
func (c *Call) BeginWait() *Wait {
	t := taskOf(c.thread)
	w := &Wait{call: c, task: t, broken: make(chan struct{})}
	limit, limited := c.ctx.Deadline()
	ofRun, runLimited := t.scheduler.run.Deadline()
	w.limited = limited && (!runLimited || limit.Before(ofRun))
	s := &t.scheduler.waits
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active == nil {
		s.active = map[*task]*Wait{}
	}
	s.active[t] = w
	return w
}

// End ends the wait.
func (w *Wait) End() {
	s := &w.task.scheduler.waits
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.active, w.task)
}

// For adds a task to those that w waits for.
func (w *Wait) For(t *Task) {
	s := &w.task.scheduler.waits
	s.mu.Lock()
	defer s.mu.Unlock()
	w.tasks = append(w.tasks, t)
	if circle := s.path(t, w.task, map[*task]bool{}); circle != nil && !w.limited {
		breakAll(append([]*Wait{w}, circle...))
	}
}

// Broken returns a channel that is closed when w can never be over. Err then returns the error.
func (w *Wait) Broken() <-chan struct{} { return w.broken }

// Err returns the error of a wait that can never be over, or nil.
func (w *Wait) Err() error {
	select {
	case <-w.broken:
		return w.err
	default:
		return nil
	}
}

// path returns the waits through which t waits for the task to, or nil.
func (s *waits) path(t *Task, to *task, seen map[*task]bool) []*Wait {
	w := s.active[t.task]
	if w == nil || w.limited || w.err != nil || seen[t.task] {
		return nil
	}
	seen[t.task] = true
	for _, next := range w.tasks {
		select {
		case <-next.ended:
			continue
		default:
		}
		if next.task == to {
			return []*Wait{w}
		}
		if rest := s.path(next, to, seen); rest != nil {
			return append([]*Wait{w}, rest...)
		}
	}
	return nil
}

// breakAll ends waits, each of which waits for the task of the next, and the last for that of the first.
func breakAll(circle []*Wait) {
	for i, w := range circle {
		places := []string{"here"}
		for j := range len(circle) - 1 {
			other := circle[(i+1+j)%len(circle)].call
			places = append(places, fmt.Sprintf("at %s:%d", other.File, other.Line))
		}
		w.err = w.call.Errorf(CodeUsage, "%s: can never end: tasks wait for each other %s", w.call.Name,
			joinWords(places, "and"))
		close(w.broken)
	}
}
