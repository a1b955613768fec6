package output

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"dkvrun/builtins/report"
)

func row(i int, result, message string) report.Row {
	return report.Row{
		Manager: fmt.Sprintf("10.0.0.%d:7801", i), Action: "CreateStore", Result: result, Success: result == report.Success, Message: message,
		DurationMS: int64(i % 7),
	}
}

func shown(rows []report.Row) string {
	var out []string
	for _, r := range grouped(rows) {
		out = append(out, fmt.Sprintf("%s|%s|%s|%s", r.Manager, r.Operation(), r.Result, r.Message))
	}
	return strings.Join(out, "\n")
}

func TestGrouped_Managers(t *testing.T) {
	var rows []report.Row
	for i := range 100 {
		switch {
		case i%20 == 5:
			rows = append(rows, row(i, report.Failed, "connection refused"))
		case i == 50:
			rows = append(rows, row(i, report.Failed, "port 7811 is taken"))
		default:
			rows = append(rows, row(i, report.Success, "Created"))
		}
	}
	want := `94 managers|CreateStore|SUCCESS|Created (slowest 10.0.0.6:7801, 6ms)
5 managers|CreateStore|FAILED|connection refused: 10.0.0.5:7801, 10.0.0.25:7801, 10.0.0.45:7801 and 2 more
10.0.0.50:7801|CreateStore|FAILED|port 7811 is taken`
	if got := shown(rows); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestGrouped_Instances(t *testing.T) {
	var rows []report.Row
	for i := range 30 {
		r := row(7, report.Failed, "no answer")
		r.Action, r.Instance = "StartInstance", fmt.Sprintf("orders-%d", i+1)
		rows = append(rows, r)
	}
	want := "30 instances|StartInstance|FAILED|no answer: orders-1 on 10.0.0.7:7801, orders-2 on 10.0.0.7:7801, orders-3 on 10.0.0.7:7801 and 27 more"
	if got := shown(rows); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestGrouped_Bounded(t *testing.T) {
	var rows []report.Row
	for i := range 500 {
		rows = append(rows, row(i, report.Failed, fmt.Sprintf("error %d", i/2)))
	}
	got := strings.Split(shown(rows), "\n")
	if last := got[len(got)-1]; len(got) != 2*maxGroups+1 || last != fmt.Sprintf("%d managers|CreateStore|FAILED|with %d other messages; -v shows them", 500-2*maxGroups, 250-maxGroups) {
		t.Errorf("%d lines, the last: %s", len(got), last)
	}
}

// On a terminal one line shows the progress of an action over many managers until it ends. Elsewhere there is none.
func TestScreen_Progress(t *testing.T) {
	a := &report.Action{Builtin: "stop_store", Operations: []string{"StopInstance:a-1"}}
	var rows []report.Row
	for i := range groupOver + 1 {
		rows = append(rows, row(i, report.Success, "Stopped"))
		a.Managers = append(a.Managers, rows[i].Manager)
	}
	for _, live := range []bool{true, false} {
		var out, side bytes.Buffer
		s := &Screen{out: &out, err: &side, table: true, live: live, paint: palette(false)}
		s.Begin(a)
		for _, r := range rows {
			s.Row(a, r)
		}
		s.End(a)
		want := ""
		if live {
			want = "\r\x1b[Kstop_store: 1 of 21 done, 0 failed\r\x1b[K"
		}
		if got := side.String(); got != want &&
			!(live && strings.HasPrefix(got, want[:len(want)-4]) && strings.HasSuffix(got, "\r\x1b[K")) {
			t.Errorf("live %v: %q, want %q", live, got, want)
		}
		if lines := strings.Count(out.String(), "\n"); lines != 3 || !strings.Contains(out.String(), "21 managers") {
			t.Errorf("live %v:\n%s", live, &out)
		}
	}
}

// Of a connection, managers that failed for the same reason are one row, in the place of the first.
func TestFolded_SameReasons(t *testing.T) {
	row := func(index int, manager, result, message, hint string) report.Row {
		return report.Row{Manager: manager, Action: "Connect", Result: result, Message: message, Hint: hint, Index: index,
			Success: result == report.Success}
	}
	rows := []report.Row{
		row(0, "a", report.Skipped, "Answered", ""), row(1, "b", report.Failed, "revoked", "get another"),
		row(2, "c", report.Failed, "refused", ""), row(3, "d", report.Failed, "revoked", "get another"),
		row(4, "e", report.Failed, "revoked", "get one"), row(5, "f", report.Skipped, "Answered", ""),
		row(6, "g", report.Failed, "revoked", "get another"), row(7, "h", report.Failed, "revoked", "get another"),
	}
	var got []string
	for _, r := range folded(rows) {
		got = append(got, r.Manager+"|"+r.Message+"|"+r.Hint)
	}
	want := []string{"a|Answered|", "4 managers|revoked: b, d, g and 1 more|get another", "c|refused|", "e|revoked|get one", "f|Answered|"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
