package runtime

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	lua "github.com/yuin/gopher-lua"

	"dkvrun/runtime/lualib"
)

// task is what runs on one chain of Lua threads (a thread and the coroutines that it made), on one
// goroutine: its present scope, and the context that those threads carry.
//
// It is itself that context. The virtual machine looks at Done before each instruction; a Done that
// is nil until there is reason to stop costs much less than the channel of a real context.
type task struct {
	done  atomic.Pointer[chan struct{}]
	mu    sync.Mutex // guards scope against the callback that ends it
	scope *scope

	scheduler *scheduler
	granted   chan struct{} // receives when the task gets the interpreter lock
	spawnedAt *callSite     // nil for the script itself
	depth     int           // how many tasks began each other down to this one
	spawned   int           // how many tasks this one has begun
	random    lualib.Random
	raised    *Error   // what Go code last raised again for a script: its traceback goes further than the value's
	loading   []string // the modules being loaded, in the order they were asked for
	awaits    *loading // the module that another task loads
}

// scope is the extent of one context: a run, or a function called with a context of its own. The tasks
// begun in it end with it.
type scope struct {
	ctx   context.Context
	fatal error // what ends the scope whatever the script catches: *Exit
	outer *scope
	tasks tasks
	ended atomic.Bool // it has ended
}

var closed = func() *chan struct{} {
	c := make(chan struct{})
	close(c)
	return &c
}()

func (s *scheduler) newTask() *task {
	return &task{scheduler: s, scope: &scope{ctx: context.Background()}, granted: make(chan struct{}, 1)}
}

// enter makes ctx the present context until the returned function is called.
func (t *task) enter(ctx context.Context) (leave func()) {
	s := &scope{ctx: ctx, outer: t.scope}
	t.mu.Lock()
	t.scope = s
	t.done.Store(nil)
	if ctx.Err() != nil {
		t.done.Store(closed)
	}
	t.mu.Unlock()
	stop := context.AfterFunc(ctx, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.scope == s {
			t.done.Store(closed)
		}
	})
	return func() {
		stop()
		t.mu.Lock()
		defer t.mu.Unlock()
		t.scope = s.outer
		if t.scope.outer != nil && t.scope.fatal == nil {
			t.scope.fatal = s.fatal
		}
		t.done.Store(nil)
		if t.scope.err() != nil {
			t.done.Store(closed)
		}
	}
}

// notice stops the script where its context has ended, before it does anything more: the callback may
// not have come yet.
func (t *task) checkContext() {
	if t.scope.ctx.Err() != nil {
		t.done.Store(closed)
	}
}

// end stops the present scope with err: nothing that the script catches goes on.
func (t *task) stop(err error) {
	t.scope.fatal = err
	t.done.Store(closed)
}

// exit ends the run with the exit that t called: nothing that a script catches goes on.
func (t *task) exit(exit *Exit) {
	t.stop(exit)
	if t.scheduler.exit == nil {
		t.scheduler.exit = exit
	}
	t.scheduler.cancel(exit)
}

// stopped is why the scope has to end, or nil.
func (s *scope) err() error {
	if s.fatal != nil {
		return s.fatal
	}
	return s.ctx.Err()
}

func (t *task) Deadline() (time.Time, bool) { return t.scope.ctx.Deadline() }
func (t *task) Value(key any) any           { return t.scope.ctx.Value(key) }
func (t *task) Err() error                  { return t.scope.err() }
func (t *task) Done() <-chan struct{} {
	if c := t.done.Load(); c != nil {
		return *c
	}
	return nil
}

// context is the context of the present scope.
func (t *task) context() context.Context { return t.scope.ctx }

// randomOf is the generator of the task that L belongs to.
func randomOf(L *lua.LState) *lualib.Random { return &taskOf(L).random }

// taskOf is the task that the thread belongs to.
func taskOf(L *lua.LState) *task { return L.Context().(*task) }

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
	if t.spawned == first {
		return
	}
	left := t.scope.tasks.since(first)
	if len(left) == 0 {
		return
	}
	for _, task := range left {
		task.cancel()
	}
	t.withoutLock(func() {
		for _, task := range left {
			<-task.ended
		}
	})
}

// within runs f, which holds the interpreter lock, in a scope of ctx.
func (t *task) inScope(ctx context.Context, f func() (Values, error)) (Values, error) {
	leave := t.enter(ctx)
	defer leave()
	s, first := t.scope, t.spawned
	defer s.ended.Store(true)
	defer t.endTasks(first)
	return f()
}

// maxTaskDepth is how many tasks may begin one another.
const maxTaskDepth = 100

// maxTasks is how many tasks may be alive.
const maxTasks = 50_000

// Task is a function of a script that runs beside the one that began it.
type Task struct {
	host        *Host
	task        *task
	parentScope *scope // the spawner's
	number      int    // among those that the spawner began
	f           *Func
	args        []any
	ctx         context.Context
	cancel      context.CancelFunc
	ended       chan struct{}
	values      Values
	err         error
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
	if c.spawnSite == nil {
		c.spawnSite = &callSite{file: c.File, line: c.Line, trace: traceback(c.thread, 0), outer: spawner.spawnedAt}
	}
	inner := s.newTask()
	inner.depth, inner.spawnedAt = spawner.depth+1, c.spawnSite
	inner.random = spawner.random.Child()
	inner.loading = slices.Clone(spawner.loading)
	t := &Task{host: c.Host, task: inner, parentScope: spawner.scope, number: spawner.spawned, f: f, args: args, ended: make(chan struct{})}
	t.ctx, t.cancel = context.WithCancel(ctx)
	spawner.spawned++
	spawner.scope.tasks.add(t)
	s.lock.enqueue(inner)
	go t.run()
	return t, nil
}

func (t *Task) run() {
	h, s := t.host, t.task.scheduler
	defer close(t.ended)
	defer s.alive.Add(-1)
	defer t.cancel()
	s.lock.wait(t.task)
	defer s.lock.release()
	t.values, t.err = t.task.inScope(t.ctx, func() (Values, error) {
		thread := t.task.thread()
		s.main.G.CurrentThread = thread
		args, err := h.allToLua(t.args)
		if err != nil {
			return nil, err
		}
		got, err := h.runOn(thread, t.f.fn, args, nil)
		return h.outcome(thread, got, err)
	})
	t.err = t.task.spawnedAt.addTrace(t.err)
	t.parentScope.tasks.remove(t)
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
func (t *Task) ScopeEnded() bool { return t.parentScope.ended.Load() }

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
