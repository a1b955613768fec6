package runtime

import (
	"context"
	"dkvrun/runtime/lualib"
	"sync"
	"sync/atomic"

	lua "github.com/yuin/gopher-lua"
)

// scheduler runs the tasks of one Lua state.
type scheduler struct {
	lock     interpreterLock
	main     *lua.LState
	root     *task         // the script itself
	template *lua.LState   // the threads of tasks are made from it
	spare    []*lua.LState // threads that ended and can run something else
	alive    atomic.Int64  // the number of tasks that have not ended, without the script itself
	cancel   context.CancelCauseFunc
	exit     *Exit // how a task ended the current phase, or nil
}

func newScheduler(main *lua.LState, seed uint64) *scheduler {
	s := &scheduler{main: main}
	s.root = s.newTask()
	s.root.random = lualib.NewRandom(seed)
	s.template, _ = main.NewThread()
	s.template.Options.RegistrySize, s.template.Options.RegistryGrowStep = 64, 192 // thousands of them may be alive
	return s
}

// interpreterLock says which task may touch the Lua state. It goes to those who ask in the order in which they
// ask, so that what tasks do between two waits is the same in every run.
type interpreterLock struct {
	mu      sync.Mutex
	held    bool
	waiting []*task
}

// enqueue puts t into the queue; wait then returns once it is t's turn.
func (l *interpreterLock) enqueue(t *task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held {
		l.waiting = append(l.waiting, t)
		return
	}
	l.held = true
	t.granted <- struct{}{}
}

func (l *interpreterLock) wait(t *task) { <-t.granted }

// acquire returns once it is t's turn.
func (l *interpreterLock) acquire(t *task) {
	l.mu.Lock()
	if !l.held {
		l.held = true
		l.mu.Unlock()
		return
	}
	l.waiting = append(l.waiting, t)
	l.mu.Unlock()
	l.wait(t)
}

// release hands on to the next.
func (l *interpreterLock) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		l.held = false
		return
	}
	next := l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	next.granted <- struct{}{}
}

// withoutLock runs f while other tasks may have the lock. The virtual machine has one current thread for
// all of them: each finds its own again.
func (t *task) withoutLock(f func()) {
	s := t.scheduler
	current := s.main.G.CurrentThread
	s.lock.release()
	defer func() {
		s.lock.acquire(t)
		s.main.G.CurrentThread = current
		t.checkContext()
	}()
	f()
}

// withLock runs f, which touches Lua, with the lock; current is the thread that the virtual machine takes for
// the current one.
func (t *task) withLock(current *lua.LState, f func()) {
	s := t.scheduler
	s.lock.acquire(t)
	defer s.lock.release()
	s.main.G.CurrentThread = current
	f()
}
