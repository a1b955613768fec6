package output

import (
	"fmt"
	"strings"
	"testing"

	"dkvrun/builtins/report"
)

// noted is a screen that writes down what it is told.
type noted struct {
	Screen
	lines []string
}

func (n *noted) note(format string, args ...any) {
	n.lines = append(n.lines, fmt.Sprintf(format, args...))
}
func (n *noted) Begin(a *report.Action) { n.note("begin %s", a.Builtin) }
func (n *noted) Row(a *report.Action, r report.Row) {
	n.note("%s %s of %d", a.Builtin, r.Manager, len(a.Rows))
}
func (n *noted) End(a *report.Action) { n.note("end %s", a.Builtin) }

func TestActionsTakeTurns(t *testing.T) {
	n := &noted{}
	turns := NewTurns(n, nil)
	var a [5]*report.Action
	for i := range a {
		a[i] = &report.Action{Builtin: fmt.Sprint("action", i)}
	}
	row := func(i int, manager string) { turns.Row(a[i], report.Row{Manager: manager}) }
	turns.Begin(a[0])
	row(0, "m1")
	turns.Begin(a[1])
	turns.Begin(a[2])
	row(2, "m3")
	turns.End(a[2]) // while the first is on the screen
	row(1, "m2")
	row(0, "m4")
	turns.End(a[0])
	row(1, "m5") // it is the second's turn now
	turns.Begin(a[3])
	turns.End(a[1])
	turns.Begin(a[4]) // cut off
	turns.End(a[3])
	turns.Flush()
	want := []string{
		"begin action0", "action0 m1 of 1", "action0 m4 of 2", "end action0",
		"begin action1", "action1 m2 of 1", "action1 m5 of 2", "end action1",
		"begin action2", "action2 m3 of 1", "end action2",
		"begin action3", "end action3",
		"begin action4", "end action4",
	}
	if got := strings.Join(n.lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}
