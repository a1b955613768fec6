// Package output shows a run: rows of actions as tables, or the whole as one JSON document.
package output

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

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
