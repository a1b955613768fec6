package runtime

import (
	"context"
	"dkvrun/runtime/lualib"
	"sync"
	"sync/atomic"
	"time"

	lua "github.com/yuin/gopher-lua"
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
	turn      chan struct{} // see baton
	origin    *origin       // nil for the script itself
	depth     int           // how many tasks began each other down to this one
	begun     int           // how many tasks this one has begun
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
	left  atomic.Bool // it has ended
}

var closed = func() *chan struct{} {
	c := make(chan struct{})
	close(c)
	return &c
}()

func (s *scheduler) newTask() *task {
	return &task{scheduler: s, scope: &scope{ctx: context.Background()}, turn: make(chan struct{}, 1)}
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
		if t.scope.stopped() != nil {
			t.done.Store(closed)
		}
	}
}

// notice stops the script where its context has ended, before it does anything more: the callback may
// not have come yet.
func (t *task) notice() {
	if t.scope.ctx.Err() != nil {
		t.done.Store(closed)
	}
}

// end stops the present scope with err: nothing that the script catches goes on.
func (t *task) end(err error) {
	t.scope.fatal = err
	t.done.Store(closed)
}

// exit ends the run with the exit that t called: nothing that a script catches goes on.
func (t *task) exit(exit *Exit) {
	t.end(exit)
	if t.scheduler.exit == nil {
		t.scheduler.exit = exit
	}
	t.scheduler.cancel(exit)
}

// stopped is why the scope has to end, or nil.
func (s *scope) stopped() error {
	if s.fatal != nil {
		return s.fatal
	}
	return s.ctx.Err()
}

func (t *task) Deadline() (time.Time, bool) { return t.scope.ctx.Deadline() }
func (t *task) Value(key any) any           { return t.scope.ctx.Value(key) }
func (t *task) Err() error                  { return t.scope.stopped() }
func (t *task) Done() <-chan struct{} {
	if c := t.done.Load(); c != nil {
		return *c
	}
	return nil
}

// taskOf is the task that the thread belongs to.
func taskOf(L *lua.LState) *task { return L.Context().(*task) }
