// Package output shows a run: rows of actions as tables, or the whole as one JSON document.
package output

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fatih/color"

	"dkvrun/builtins/report"
	"dkvrun/cmd/dkvrun/internal/process"
)

// Screen shows a run on a terminal or in a file: the rows of actions as a table on standard output,
// what is said on the side on standard error.
type Screen struct {
	out, err       io.Writer
	table          bool // false with -o json, where the document has the rows
	quiet, verbose bool
	live           bool      // standard error is a terminal
	terminal       *os.File  // of standard output; nil where that is none
	progress       bool      // a line of progress stands on the terminal
	due            time.Time // elsewhere, when the wait is told of next; zero where there is none
	tables         int
	drawn          string // the last picture, to draw over, and what was said below it
	redraws        bool
	paint          map[string]*color.Color
	widths         [3]int
	many           bool         // the action has so many rows that they are shown grouped at its end
	rows           []report.Row // of such an action, so far
	failed         int          // of them
	told           time.Time    // when its progress was shown last
}

// Options are what the command line says of a screen.
type Options struct {
	Table, Quiet, Verbose bool
	Color                 string // auto, always or never
}

// NewScreen makes a screen that prints results on out.
func NewScreen(p *process.Process, out io.Writer, o Options) *Screen {
	s := &Screen{
		err: p.Stderr, table: o.Table, quiet: o.Quiet, verbose: o.Verbose,
		live: process.IsTerminal(p.Stderr) && !o.Quiet,
	}
	if process.IsTerminal(p.Stdout) {
		s.terminal, s.redraws = p.Stdout, s.table
	}
	s.out = &afterProgress{s, out}
	s.paint = palette(p.Colored(o.Color))
	return s
}

// Out is what a script prints on.
func (s *Screen) Out() io.Writer { return s.out }

func palette(colored bool) map[string]*color.Color {
	paint := map[string]*color.Color{
		report.Success: color.New(color.FgGreen), report.Failed: color.New(color.FgRed, color.Bold),
		report.Skipped: color.New(color.FgYellow), report.Cancelled: color.New(color.FgYellow),
		report.RolledBack: color.New(color.FgYellow), report.Planned: color.New(color.FgCyan),
	}
	for _, c := range paint {
		if colored {
			c.EnableColor()
		} else {
			c.DisableColor()
		}
	}
	return paint
}

// afterProgress takes the line of progress away before anything is printed.
type afterProgress struct {
	screen *Screen
	out    io.Writer
}

func (w *afterProgress) Write(b []byte) (int, error) {
	w.screen.Progress("")
	w.screen.drawn = ""
	return w.out.Write(b)
}

// The page's table: its columns are as wide as the page has them, or as their content needs.
var pageWidths = [3]int{20, 12, 7}

// Begin prints the heading of an action's rows.
func (s *Screen) Begin(a *report.Action) {
	s.widths = pageWidths
	for _, m := range a.Managers {
		s.widths[0] = max(s.widths[0], utf8.RuneCountInString(m))
	}
	s.many, s.rows, s.failed = len(a.Managers) > groupOver && !s.verbose, nil, 0
	for _, op := range a.Operations {
		if s.many {
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
	return fmt.Sprintf("%-*s  %-*s  %-*s  %s", s.widths[0], manager, s.widths[1], action, s.widths[2], result, message)
}

// Row prints one row, or counts it where there are many.
func (s *Screen) Row(a *report.Action, r report.Row) {
	if !s.many {
		s.print(r)
		return
	}
	s.rows = append(s.rows, r)
	if !r.Success {
		s.failed++
	}
	if now := time.Now(); now.Sub(s.told) >= progressEvery {
		s.told = now
		s.Progress(fmt.Sprintf("%s: %d of %d done, %d failed", a.Builtin, len(s.rows)-s.failed, max(len(s.rows), len(a.Managers)), s.failed))
	}
}

// progressEvery keeps a terminal from being the slowest part of a run.
const progressEvery = 100 * time.Millisecond

func (s *Screen) print(r report.Row) {
	if !s.table || s.quiet && r.Success {
		return
	}
	message := r.Message
	if r.Hint != "" {
		message += " (" + r.Hint + ")"
	}
	if s.verbose {
		message += fmt.Sprintf(" [%s", time.Duration(r.DurationMS)*time.Millisecond)
		if r.Attempts > 1 {
			message += fmt.Sprintf(", sent %d times", r.Attempts)
		}
		message += "]"
	}
	line := s.line(r.Manager, r.Operation(), "\x00", message)
	painted := s.paint[r.Result].Sprint(r.Result) + strings.Repeat(" ", max(0, s.widths[2]-len(r.Result)))
	line = strings.Replace(line, fmt.Sprintf("%-*s", s.widths[2], "\x00"), painted, 1)
	fmt.Fprintln(s.out, strings.TrimRight(line, " "))
}

// End prints what was counted.
func (s *Screen) End(a *report.Action) {
	if !s.many {
		return
	}
	s.Progress("")
	place := make(map[string]int, len(a.Managers))
	for i, m := range a.Managers {
		place[m] = i
	}
	slices.SortStableFunc(s.rows, func(x, y report.Row) int { return place[x.Manager] - place[y.Manager] })
	for _, r := range grouped(s.rows) {
		s.print(r)
	}
	s.many, s.rows = false, nil
}

// Step says on the side that a step begins, or how it ended.
func (s *Screen) Step(step report.Step) {
	if s.quiet {
		return
	}
	s.Progress("")
	line := strings.Repeat("  ", step.Depth) + "step " + step.Name
	if step.Ended {
		how := "done"
		if !step.OK {
			how = "failed"
		}
		line += fmt.Sprintf(": %s, %.1f s", how, step.Seconds)
	}
	fmt.Fprintln(s.err, line)
}

// Notice says something on the side.
func (s *Screen) Notice(text string) {
	if !s.quiet {
		s.Progress("")
		fmt.Fprintf(s.err, "dkvrun: %s\n", text)
		if s.live && s.drawn != "" {
			s.drawn += "\ndkvrun: " + text
		}
	}
}

// Progress keeps one line on the terminal that says what is being waited for. Elsewhere it tells of long
// waits, now and then.
func (s *Screen) Progress(text string) {
	if !s.live {
		s.tell(text)
		return
	}
	if text == "" && !s.progress {
		return
	}
	if columns := s.Width(); columns > 1 && utf8.RuneCountInString(text) >= columns {
		text = string([]rune(text)[:columns-2]) + "…"
	}
	fmt.Fprintf(s.err, "\r\x1b[K%s", text)
	s.progress = text != ""
}

// A log says after firstTold what a run waits for, and again every toldEvery.
const (
	firstTold = 10 * time.Second
	toldEvery = time.Minute
)

func (s *Screen) tell(text string) {
	now := time.Now()
	switch {
	case s.quiet:
	case text == "":
		s.due = time.Time{}
	case s.due.IsZero():
		s.due = now.Add(firstTold)
	case !now.Before(s.due):
		s.due = now.Add(toldEvery)
		fmt.Fprintf(s.err, "dkvrun: %s\n", text)
	}
}

// Width is the number of columns that a picture may take now: windows change. 0 is no limit.
func (s *Screen) Width() int {
	if s.terminal == nil {
		return 0
	}
	return process.Width(s.terminal)
}

// Redraw draws a picture over the last one, or below it where that can't be.
func (s *Screen) Redraw(picture string) {
	over := ""
	if s.redraws && s.drawn != "" {
		over = fmt.Sprintf("\x1b[%dA\x1b[J", height(s.drawn, s.Width()))
	} else if s.tables > 0 {
		over = "\n"
	}
	s.tables++
	fmt.Fprintf(s.out, "%s%s\n", over, picture)
	s.drawn = picture
}

// height is how many lines of a terminal a text takes: those that are too wide go on in the next one.
func height(text string, columns int) int {
	lines := 0
	for line := range strings.SplitSeq(text, "\n") {
		lines++
		if n := utf8.RuneCountInString(line); columns > 0 && n > columns {
			lines += (n - 1) / columns
		}
	}
	return lines
}
