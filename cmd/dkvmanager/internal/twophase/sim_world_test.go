package twophase

import (
	"container/heap"
	"math/rand/v2"
	"runtime"
	"time"
)

// world is a scheduler with simulated time. One goroutine runs at a time, and all randomness comes from one source, so
// that the same seed gives the same run.
type world struct {
	rng     *rand.Rand
	now     time.Time
	queue   events
	order   int
	yielded chan struct{}
	current *task
	tasks   []*task
}

func newWorld(seed uint64) *world {
	return &world{
		rng: rand.New(rand.NewPCG(seed, 4)), now: time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC), yielded: make(chan struct{}),
	}
}

// chance returns true with probability p.
func (w *world) chance(p float64) bool { return w.rng.Float64() < p }

// upTo returns a random time from 0 to d.
func (w *world) upTo(d time.Duration) time.Duration { return time.Duration(w.rng.Int64N(int64(d) + 1)) }

// after calls f, which must not block, when d has passed.
func (w *world) after(d time.Duration, f func()) {
	w.order++
	heap.Push(&w.queue, event{w.now.Add(d), w.order, f})
}

// run runs all events of the next d.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for len(w.queue) > 0 && !w.queue[0].at.After(end) {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		e.f()
	}
	w.now = end
}

// close ends all tasks that still wait.
func (w *world) close() {
	for _, t := range w.tasks {
		t.p.kill()
		w.step(t)
	}
}

type event struct {
	at    time.Time
	order int
	f     func()
}

type events []event

func (e events) Len() int      { return len(e) }
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].order < e[j].order
}

// process is a program that can crash and be suspended. A crash ends its tasks.
type process struct {
	life   int
	down   bool
	frozen time.Time
}

func (p *process) kill() { p.life++; p.down = true }

// task is one goroutine of a process.
type task struct {
	p      *process
	life   int
	resume chan struct{}
	ended  bool
}

// spawn starts f as a task of p. It runs once the present task waits.
func (w *world) spawn(p *process, f func()) {
	t := &task{p: p, life: p.life, resume: make(chan struct{})}
	w.tasks = append(w.tasks, t)
	go func() {
		<-t.resume
		defer func() {
			t.ended = true
			w.yielded <- struct{}{}
		}()
		if t.life == p.life {
			f()
		}
	}()
	w.wake(t, 0)
}

// wake resumes a waiting task after d, so that it checks its condition again.
func (w *world) wake(t *task, d time.Duration) {
	w.after(d, func() {
		if rest := t.p.frozen.Sub(w.now); rest > 0 && t.life == t.p.life {
			w.wake(t, rest)
			return
		}
		w.step(t)
	})
}

// step runs a task until it waits.
func (w *world) step(t *task) {
	if t.ended {
		return
	}
	w.current = t
	t.resume <- struct{}{}
	<-w.yielded
	w.current = nil
}

// wait suspends the present task until it is woken. If its process has crashed since, it ends the task.
func (w *world) wait() {
	t := w.current
	w.yielded <- struct{}{}
	<-t.resume
	if t.life != t.p.life {
		runtime.Goexit()
	}
}

// sleep waits for d to pass.
func (w *world) sleep(d time.Duration) {
	t, end := w.current, w.now.Add(d)
	w.wake(t, d)
	for w.now.Before(end) {
		w.wait()
	}
}
