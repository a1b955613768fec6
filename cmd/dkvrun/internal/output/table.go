package output

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"dkvrun/builtins/report"
	"dkvrun/runtime/printable"
)

// pageWidths are the widths of the first three columns in the documentation. A column with longer content is wider.
var pageWidths = [3]int{20, 12, 7}

// Begin prints the heading of the action's table.
func (s *Screen) Begin(a *report.Action) {
	s.widths = pageWidths
	s.held, s.printed = map[int]report.Row{}, 0
	for _, m := range a.Managers {
		s.widths[0] = max(s.widths[0], utf8.RuneCountInString(m))
	}
	s.connects = a.Connects
	s.grouping, s.rows, s.failed = (len(a.Managers) > groupOver || a.Connects) && !s.verbose, nil, 0
	for _, op := range a.Operations {
		if s.grouping {
			op, _, _ = strings.Cut(op, ":")
		}
		s.widths[1] = max(s.widths[1], utf8.RuneCountInString(op))
	}
	if !s.table || s.quiet {
		return
	}
	if s.tables > 0 {
		fmt.Fprintln(s.out)
	}
	s.tables++
	head := s.line("Manager", "Action", "Result", "Message")
	fmt.Fprintf(s.out, "%s\n%s\n", head, strings.Repeat("-", utf8.RuneCountInString(head)))
}

func (s *Screen) line(manager, action, result, message string) string {
	return fmt.Sprintf("%-*s  %-*s  %-*s  %s", s.widths[0], printable.Line(manager), s.widths[1], printable.Line(action),
		s.widths[2], result, printable.Line(message))
}

// Row prints a row once those above it are printed, or collects it if the action has many rows.
func (s *Screen) Row(a *report.Action, r report.Row) {
	s.rows = append(s.rows, r)
	if !r.Success {
		s.failed++
	}
	if !s.grouping {
		s.held[r.Index] = r
		for next, here := s.held[s.printed]; here; next, here = s.held[s.printed] {
			s.print(next)
			delete(s.held, s.printed)
			s.printed++
		}
		if len(s.held) == 0 {
			return
		}
	}
	if now := time.Now(); now.Sub(s.progressAt) >= progressEvery && !a.Connects {
		s.progressAt = now
		s.Progress(fmt.Sprintf("%s: %d of %d done, %d failed", a.Builtin, len(s.rows)-s.failed, max(len(s.rows), len(a.Managers)), s.failed))
	}
}

// progressEvery bounds how often an action's progress is printed, so that a slow terminal does not slow the run down.
const progressEvery = 100 * time.Millisecond

// hangingIndent is the number of spaces before the further lines of a row or a message.
const hangingIndent = 8

// wrapAt returns the number of columns to which rows are wrapped, or 0 if they are not: without a terminal.
func (s *Screen) wrapAt() int {
	if s.terminal == nil {
		return 0
	}
	if columns := s.Width(); columns > 0 { // of some terminals it isn't known
		return min(columns, printable.Columns)
	}
	return printable.Columns
}

// print prints a row. The hint of a connection gets a line of its own where the row would be too long with it.
func (s *Screen) print(r report.Row) {
	if !s.table || s.quiet && r.Success {
		return
	}
	message, below := r.Message, ""
	before := utf8.RuneCountInString(s.line(r.Manager, r.Operation(), "", ""))
	switch hint := " (" + r.Hint + ")"; {
	case r.Hint == "":
	case s.connects && before+utf8.RuneCountInString(message+hint) > printable.Columns:
		below = "\n" + strings.Repeat(" ", hangingIndent) + printable.Line(r.Hint)
	default:
		message += hint
	}
	if s.verbose {
		message += fmt.Sprintf(" [%s", time.Duration(r.DurationMS)*time.Millisecond)
		if r.Attempts > 1 {
			message += fmt.Sprintf(", sent %d times", r.Attempts)
		}
		message += "]"
	}
	message = printable.Line(message) + below
	if columns := s.wrapAt(); columns > 0 {
		message = printable.Wrap(message, columns, before, hangingIndent)
	}
	line := s.line(r.Manager, r.Operation(), "\x00", "") + message
	painted := s.paint[r.Result].Sprint(r.Result) + strings.Repeat(" ", max(0, s.widths[2]-len(r.Result)))
	line = strings.Replace(line, fmt.Sprintf("%-*s", s.widths[2], "\x00"), painted, 1)
	fmt.Fprintln(s.out, strings.TrimRight(line, " "))
}

// End prints the rows that were collected, in groups.
func (s *Screen) End(a *report.Action) {
	s.Progress("")
	if !s.grouping {
		for _, i := range slices.Sorted(maps.Keys(s.held)) { // of an action that was cut off
			s.print(s.held[i])
		}
		s.held = nil
		return
	}
	rows := report.InOrder(s.rows)
	if len(a.Managers) > groupOver {
		rows = grouped(rows)
	} else {
		rows = folded(rows)
	}
	for _, r := range rows {
		s.print(r)
	}
	s.grouping, s.rows = false, nil
}
