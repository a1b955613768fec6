package output

import (
	"io"
	"sync"

	"dkvrun/builtins/report"
)

// Ordered is a Reporter for tasks that run at the same time. It shows the rows of one action at a time and buffers
// those of the others until that action has ended. Begin is called before the first row of an action, End once.
type Ordered struct {
	mu      sync.Mutex
	screen  report.Reporter
	out     io.Writer
	running map[*report.Action]*buffered // every action that has not ended
	showing *buffered                    // nil while the screen shows no action
	waiting []*buffered
}

// buffered holds a copy of an action with the rows that arrived so far: the action continues while its output waits.
type buffered struct {
	shown report.Action
	ended bool
}

// NewOrdered returns an Ordered that shows actions on screen and writes the script's own output to out.
func NewOrdered(screen report.Reporter, out io.Writer) *Ordered {
	return &Ordered{screen: screen, out: out, running: map[*report.Action]*buffered{}}
}

func (o *Ordered) Begin(a *report.Action) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := &buffered{shown: *a}
	o.running[a] = b
	o.waiting = append(o.waiting, b)
	o.advance()
}

func (o *Ordered) Row(a *report.Action, r report.Row) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.running[a]
	b.shown.Rows = append(b.shown.Rows, r)
	if b == o.showing {
		o.screen.Row(&b.shown, r)
	}
}

func (o *Ordered) End(a *report.Action) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.running[a]
	delete(o.running, a)
	b.ended = true
	if b == o.showing {
		o.screen.End(&b.shown)
		o.showing = nil
		o.advance()
	}
}

// advance shows waiting actions in the order in which they began, up to and including the first that has not ended.
// The caller holds the lock.
func (o *Ordered) advance() {
	for len(o.waiting) > 0 && o.showing == nil {
		b := o.waiting[0]
		o.waiting = o.waiting[1:]
		o.screen.Begin(&b.shown)
		for _, r := range b.shown.Rows {
			o.screen.Row(&b.shown, r)
		}
		if !b.ended {
			o.showing = b
			return
		}
		o.screen.End(&b.shown)
	}
}

// Flush shows everything that still waits. Call it at the end of a run: actions that were interrupted never end.
func (o *Ordered) Flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, b := range o.waiting {
		b.ended = true
	}
	if o.showing != nil {
		o.screen.End(&o.showing.shown)
		o.showing = nil
	}
	o.advance()
}

func (o *Ordered) Step(s report.Step) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.screen.Step(s)
}

func (o *Ordered) Notice(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.screen.Notice(text)
}

func (o *Ordered) Progress(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.screen.Progress(text)
}

func (o *Ordered) Width() int { return o.screen.Width() }

func (o *Ordered) Redraw(frame string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.screen.Redraw(frame)
}

// Write prints text of the script between two lines of the tables.
func (o *Ordered) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.out.Write(text)
}
