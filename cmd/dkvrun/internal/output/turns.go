package output

import (
	"io"
	"sync"

	"dkvrun/builtins/report"
)

// Turns lets tasks that run at the same time share a screen: one action at a time shows its rows, those
// of the others wait until it has ended.
//
// An action begins before its first row and ends once.
type Turns struct {
	mu      sync.Mutex
	screen  report.Reporter
	out     io.Writer
	going   map[*report.Action]*turn // those that have not ended
	showing *turn                    // nil while no action is on the screen
	waiting []*turn
}

// turn is an action with what is shown of it: a copy, for the action goes on while it waits.
type turn struct {
	shown report.Action
	ended bool
}

func NewTurns(screen report.Reporter, out io.Writer) *Turns {
	return &Turns{screen: screen, out: out, going: map[*report.Action]*turn{}}
}

func (t *Turns) Begin(a *report.Action) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := &turn{shown: *a}
	t.going[a] = u
	t.waiting = append(t.waiting, u)
	t.next()
}

func (t *Turns) Row(a *report.Action, r report.Row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.going[a]
	u.shown.Rows = append(u.shown.Rows, r)
	if u == t.showing {
		t.screen.Row(&u.shown, r)
	}
}

func (t *Turns) End(a *report.Action) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.going[a]
	delete(t.going, a)
	u.ended = true
	if u == t.showing {
		t.screen.End(&u.shown)
		t.showing = nil
		t.next()
	}
}

// next shows what has waited: all that has ended, up to the first action that goes on.
func (t *Turns) next() {
	for len(t.waiting) > 0 && t.showing == nil {
		u := t.waiting[0]
		t.waiting = t.waiting[1:]
		t.screen.Begin(&u.shown)
		for _, r := range u.shown.Rows {
			t.screen.Row(&u.shown, r)
		}
		if !u.ended {
			t.showing = u
			return
		}
		t.screen.End(&u.shown)
	}
}

// Flush ends what is shown, and shows what waits, at the end of a run that cut actions off.
func (t *Turns) Flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, u := range t.waiting {
		u.ended = true
	}
	if t.showing != nil {
		t.screen.End(&t.showing.shown)
		t.showing = nil
	}
	t.next()
}

func (t *Turns) Step(s report.Step) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.screen.Step(s)
}

func (t *Turns) Notice(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.screen.Notice(text)
}

func (t *Turns) Progress(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.screen.Progress(text)
}

func (t *Turns) Width() int { return t.screen.Width() }

func (t *Turns) Redraw(picture string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.screen.Redraw(picture)
}

// Write prints what the script prints.
func (t *Turns) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.out.Write(b)
}
