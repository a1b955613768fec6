package output

import (
	"fmt"
	"strings"
	"testing"

	"dkvrun/builtins/report"
)

// recorder is a screen that records its calls.
type recorder struct {
	Screen
	lines []string
}

func (n *recorder) record(format string, args ...any) {
	n.lines = append(n.lines, fmt.Sprintf(format, args...))
}
func (n *recorder) Begin(a *report.Action) { n.record("begin %s", a.Builtin) }
func (n *recorder) Row(a *report.Action, r report.Row) {
	n.record("%s %s of %d", a.Builtin, r.Manager, len(a.Rows))
}
func (n *recorder) End(a *report.Action) { n.record("end %s", a.Builtin) }

func TestOrdered_ConcurrentActions(t *testing.T) {
	n := &recorder{}
	ordered := NewOrdered(n, nil)
	var a [5]*report.Action
	for i := range a {
		a[i] = &report.Action{Builtin: fmt.Sprint("action", i)}
	}
	row := func(i int, manager string) { ordered.Row(a[i], report.Row{Manager: manager}) }
	ordered.Begin(a[0])
	row(0, "m1")
	ordered.Begin(a[1])
	ordered.Begin(a[2])
	row(2, "m3")
	ordered.End(a[2]) // while the rows of the first action are shown
	row(1, "m2")
	row(0, "m4")
	ordered.End(a[0])
	row(1, "m5") // the second action is the one on the screen now
	ordered.Begin(a[3])
	ordered.End(a[1])
	ordered.Begin(a[4]) // cut off
	ordered.End(a[3])
	ordered.Flush()
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
