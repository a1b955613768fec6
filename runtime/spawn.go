package runtime

import (
	"context"
	"slices"

	lua "github.com/yuin/gopher-lua"
)

// maxTaskDepth is how many tasks may begin one another.
const maxTaskDepth = 100

// maxTasks is how many tasks may be alive.
const maxTasks = 50_000

// Task is a function of a script that runs beside the one that began it.
type Task struct {
	host   *Host
	task   *task
	within *scope // the spawner's
	number int    // among those that the spawner began
	f      *Func
	args   []any
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{}
	values Values
	err    error
}

// Go begins a task that calls f, in ctx, which bounds it. It is cancelled and waited for when the
// function ends that began it: the script, or the one that a Func.Call, or a task, called. It fails
// where too many tasks are alive.
func (c *Call) Go(ctx context.Context, f *Func, args ...any) (*Task, error) {
	spawner := taskOf(c.thread)
	s := spawner.scheduler
	if spawner.depth >= maxTaskDepth {
		return nil, c.Errorf(CodeUsage, "%s: tasks begin each other deeper than %d", c.Name, maxTaskDepth)
	}
	if s.alive.Add(1) > maxTasks {
		s.alive.Add(-1)
		return nil, c.Errorf(CodeUsage, "%s: more than %d tasks are alive", c.Name, maxTasks)
	}
	if c.origin == nil {
		c.origin = &origin{file: c.File, line: c.Line, trace: traceback(c.thread, 0), outer: spawner.origin}
	}
	inner := s.newTask()
	inner.depth, inner.origin = spawner.depth+1, c.origin
	inner.random = spawner.random.Child()
	inner.loading = slices.Clone(spawner.loading)
	t := &Task{host: c.Host, task: inner, within: spawner.scope, number: spawner.begun, f: f, args: args, ended: make(chan struct{})}
	t.ctx, t.cancel = context.WithCancel(ctx)
	spawner.begun++
	spawner.scope.tasks.add(t)
	s.baton.ask(inner)
	go t.run()
	return t, nil
}

func (t *Task) run() {
	h, s := t.host, t.task.scheduler
	defer close(t.ended)
	defer s.alive.Add(-1)
	defer t.cancel()
	s.baton.await(t.task)
	defer s.baton.pass()
	t.values, t.err = t.task.within(t.ctx, func() (Values, error) {
		thread := t.task.thread()
		s.main.G.CurrentThread = thread
		args, err := h.allToLua(t.args)
		if err != nil {
			return nil, err
		}
		got, err := h.runOn(thread, t.f.fn, args, nil)
		return h.outcome(thread, got, err)
	})
	t.err = t.task.origin.traced(t.err)
	t.within.tasks.remove(t)
}

// Ended is closed when the task has ended.
func (t *Task) Ended() <-chan struct{} { return t.ended }

// Result is what the function returned, or what it failed with: *Error, with the traceback of the task
// and of what began it, or *Exit. It waits for the end.
func (t *Task) Result() (Values, error) {
	<-t.ended
	return t.values, t.err
}

// Left tells whether the function that began the task has ended: nobody there will wait for it any more.
func (t *Task) Left() bool { return t.within.left.Load() }

// thread is a Lua thread for t.
func (t *task) thread() *lua.LState {
	s := t.scheduler
	var thread *lua.LState
	if n := len(s.spare); n > 0 {
		thread, s.spare = s.spare[n-1], s.spare[:n-1]
	} else {
		thread, _ = s.template.NewThread()
	}
	thread.SetContext(t)
	thread.Env = s.main.G.Global
	return thread
}
