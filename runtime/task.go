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

// task is the state of one goroutine that runs Lua: a thread and the coroutines that the thread created.
//
// It is also the context of these threads. The virtual machine reads Done before each instruction. A Done that
// returns nil until there is a reason to stop is much cheaper than the channel of a real context.
type task struct {
	done  atomic.Pointer[chan struct{}]
	mu    sync.Mutex // guards scope against the callback of enter
	scope *scope

	scheduler *scheduler
	granted   chan struct{} // receives when the task gets the interpreter lock
	spawnedAt *callSite     // nil for the script itself
	depth     int           // length of the chain of tasks that spawned each other down to this one
	spawned   int           // number of tasks that this one has spawned
	protected int           // number of active protected calls
	handling  int           // number of active handlers of xpcall
	random    lualib.Random
	verbatim  bool     // the value being raised is the script's: its text is not reworded
	raised    *Error   // last error that Go code raised again; its traceback is longer than that of the raised value
	loading   []string // modules that are being loaded, outermost first
	awaits    *loading // module that another task is loading
}

// scope is the extent of one context: a run, or a function that is called with a separate context. Tasks that are
// spawned in a scope end with it.
type scope struct {
	ctx   context.Context
	fatal error // ends the scope even if the script catches it: *Exit
	outer *scope
	tasks tasks
	ended atomic.Bool
}

var closed = func() *chan struct{} {
	c := make(chan struct{})
	close(c)
	return &c
}()

func (s *scheduler) newTask() *task {
	return &task{scheduler: s, scope: &scope{ctx: context.Background()}, granted: make(chan struct{}, 1)}
}

// enter makes ctx the current context until the returned function is called.
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

// checkContext stops the script if its context has ended. The callback of enter may still be pending.
func (t *task) checkContext() {
	if t.scope.ctx.Err() != nil {
		t.done.Store(closed)
	}
}

// stop ends the current scope with err. A script that catches err does not continue.
func (t *task) stop(err error) {
	t.scope.fatal = err
	t.done.Store(closed)
}

// exit ends the run with the exit that t called. A script that catches it does not continue.
func (t *task) exit(exit *Exit) {
	t.stop(exit)
	if t.scheduler.exit == nil {
		t.scheduler.exit = exit
	}
	t.scheduler.cancel(exit)
}

// err returns the reason to end the scope, or nil.
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

// context returns the context of the current scope.
func (t *task) context() context.Context { return t.scope.ctx }

// randomOf returns the random generator of the task that L belongs to.
func randomOf(L *lua.LState) *lualib.Random { return &taskOf(L).random }

// taskOf returns the task that the thread belongs to.
func taskOf(L *lua.LState) *task {
	if t, ok := L.Context().(*task); ok {
		return t
	}
	return L.Context().(*startContext).task
}

// tasks holds the running tasks of a scope.
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

// endTasks cancels the tasks of t's scope with the numbers from first on, and waits for them.
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

// inScope runs f in a new scope of ctx. The caller holds the interpreter lock.
func (t *task) inScope(ctx context.Context, f func() (Values, error)) (Values, error) {
	leave := t.enter(ctx)
	defer leave()
	s, first := t.scope, t.spawned
	defer s.ended.Store(true)
	defer t.endTasks(first)
	return f()
}

// maxTaskDepth limits how deep tasks may spawn each other.
const maxTaskDepth = 100

// maxTasks limits the number of running tasks.
const maxTasks = 50_000

// Task is a function of a script that runs beside the task that spawned it.
type Task struct {
	host        *Host
	task        *task
	parentScope *scope // of the spawner
	number      int    // counted among the tasks of the spawner
	f           *Func
	args        []any
	ctx         context.Context
	cancel      context.CancelFunc
	ended       chan struct{}
	values      Values
	err         error
}

// Go spawns a task that calls f in ctx. The task is cancelled and waited for when the spawning function ends: the
// script, a task, or a function that Func.Call called. Go fails if too many tasks are running.
func (c *Call) Go(ctx context.Context, f *Func, args ...any) (*Task, error) {
	spawner := taskOf(c.thread)
	s := spawner.scheduler
	if spawner.depth >= maxTaskDepth {
		return nil, c.Errorf(CodeUsage, "%s: tasks spawn each other deeper than %d", c.Name, maxTaskDepth)
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
	t := &Task{host: c.Host, task: inner, parentScope: spawner.scope, number: spawner.spawned, f: f, args: args,
		ended: make(chan struct{})}
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
		got, err := runOn(thread, s.guards.plain, append([]lua.LValue{t.f.fn}, args...))
		return h.outcome(thread, got, err)
	})
	t.err = t.task.spawnedAt.addTrace(t.err)
	t.parentScope.tasks.remove(t)
}

// Ended returns a channel that is closed when the task has ended.
func (t *Task) Ended() <-chan struct{} { return t.ended }

// Result waits for the task's end and returns the results of the function or its error: *Exit, or *Error with the
// traceback of the task and of its spawners.
func (t *Task) Result() (Values, error) {
	<-t.ended
	return t.values, t.err
}

// ScopeEnded reports whether the function that spawned the task has ended, so that nothing there can wait for the
// task any more.
func (t *Task) ScopeEnded() bool { return t.parentScope.ended.Load() }

// thread returns a Lua thread for t.
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
