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
	baton    baton
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

// baton says which task may touch the Lua state. It goes to those who ask in the order in which they
// ask, so that what tasks do between two waits is the same in every run.
type baton struct {
	mu      sync.Mutex
	held    bool
	waiting []*task
}

// ask puts t into the queue; await then returns once it is t's turn.
func (b *baton) ask(t *task) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held {
		b.waiting = append(b.waiting, t)
		return
	}
	b.held = true
	t.turn <- struct{}{}
}

func (b *baton) await(t *task) { <-t.turn }

// take returns once it is t's turn.
func (b *baton) take(t *task) {
	b.mu.Lock()
	if !b.held {
		b.held = true
		b.mu.Unlock()
		return
	}
	b.waiting = append(b.waiting, t)
	b.mu.Unlock()
	b.await(t)
}

// pass hands on to the next.
func (b *baton) pass() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		b.held = false
		return
	}
	next := b.waiting[0]
	b.waiting[0] = nil
	b.waiting = b.waiting[1:]
	next.turn <- struct{}{}
}

// unlocked runs f while other tasks may have the baton. The virtual machine has one current thread for
// all of them: each finds its own again.
func (t *task) unlocked(f func()) {
	s := t.scheduler
	current := s.main.G.CurrentThread
	s.baton.pass()
	defer func() {
		s.baton.take(t)
		s.main.G.CurrentThread = current
		t.notice()
	}()
	f()
}

// locked runs f, which touches Lua, with the baton; current is the thread that the virtual machine takes for
// the current one.
func (t *task) locked(current *lua.LState, f func()) {
	s := t.scheduler
	s.baton.take(t)
	defer s.baton.pass()
	s.main.G.CurrentThread = current
	f()
}
