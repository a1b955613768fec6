package runtime

import (
	"context"
	"dkvrun/runtime/lualib"
	"sync"
	"sync/atomic"

	lua "github.com/yuin/gopher-lua"
)

// scheduler holds the interpreter lock of one Lua state, and the threads and the number of its tasks.
type scheduler struct {
	lock     interpreterLock
	main     *lua.LState
	root     *task       // task of the script itself
	template *lua.LState // threads of tasks are made from it
	guards   guards
	// protecting are the functions pcall and xpcall.
	protecting []*lua.LFunction
	spare      []*lua.LState // free threads
	alive      atomic.Int64  // number of running tasks, without root
	cancel     context.CancelCauseFunc
	run        context.Context // of the current phase
	waits      waits
	exit       *Exit // exit that ended the current phase, or nil
}

func newScheduler(main *lua.LState, seed uint64) *scheduler {
	s := &scheduler{main: main, guards: newGuards(main)}
	s.root = s.newTask()
	s.root.random = lualib.NewRandom(seed)
	s.template, _ = main.NewThread()
	s.template.Options.RegistrySize, s.template.Options.RegistryGrowStep = 64, 192 // thousands of them may be alive
	return s
}

// interpreterLock lets one task at a time use the Lua state. It is fair: tasks get it in the order of their requests.
// So the order of what tasks do between two waits is the same in every run.
type interpreterLock struct {
	mu      sync.Mutex
	held    bool
	waiting []*task
}

// enqueue requests the lock for t. wait then blocks until t holds it.
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

// acquire blocks until t holds the lock.
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

// release passes the lock to the next task in the queue.
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

// withoutLock releases the lock while it runs f. The virtual machine has one current thread for all tasks, so it is
// restored afterwards.
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

// withLock runs f, which uses Lua, with the lock held. It makes current the virtual machine's current thread.
func (t *task) withLock(current *lua.LState, f func()) {
	s := t.scheduler
	s.lock.acquire(t)
	defer s.lock.release()
	s.main.G.CurrentThread = current
	f()
}
