package output

import (
	"io"
	"sync"

	"dkvrun/builtins/report"
)

// Ordered lets tasks that run at the same time share a screen: one action at a time shows its rows, those
// of the others wait until it has ended.
//
// An action begins before its first row and ends once.
type Ordered struct {
	mu      sync.Mutex
	screen  report.Reporter
	out     io.Writer
	running map[*report.Action]*buffered // those that have not ended
	showing *buffered                    // nil while no action is on the screen
	waiting []*buffered
}

// buffered is an action with what is shown of it: a copy, for the action goes on while it waits.
type buffered struct {
	shown report.Action
	ended bool
}

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

// advance shows what has waited: all that has ended, up to the first action that goes on.
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

// Flush ends what is shown, and shows what waits, at the end of a run that cut actions off.
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

func (o *Ordered) Redraw(picture string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.screen.Redraw(picture)
}

// Write prints what the script prints.
func (o *Ordered) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.out.Write(text)
}
