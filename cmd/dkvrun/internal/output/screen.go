// Package output shows a run: the rows of its actions as tables, or the whole run as one JSON document.
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
	"dkvrun/runtime/printable"
)

// Screen is a Reporter that prints actions as tables on standard output, and steps, notices and progress on standard
// error. Both may be a terminal or a file. Its methods must not be called at the same time: see Ordered.
type Screen struct {
	out, err       io.Writer
	table          bool // false with -o json: the document lists the rows
	quiet, verbose bool
	live           bool      // standard error is a terminal
	terminal       *os.File  // standard output if it is a terminal, or nil
	progress       bool      // the terminal shows a progress line
	nextLog        time.Time // without a terminal: when the wait is logged next; zero while nothing waits
	tables         int       // number of tables and frames printed
	frame          string    // the last frame and the notices below it, which the next frame overwrites; empty for none
	redraws        bool      // each frame overwrites the last one
	paint          map[string]*color.Color
	widths         [3]int
	held           map[int]report.Row // rows of the current action that arrived before those above them
	printed        int                // number of rows of the current action that are printed
	grouping       bool               // the rows of the current action are collected, and printed in groups at its end
	connects       bool               // the current action is a connection
	rows           []report.Row       // the rows collected so far
	failed         int                // the number of failures among rows
	progressAt     time.Time          // the time of the last progress of the current action
}

// Options are the flags of the command line that concern a Screen.
type Options struct {
	Table, Quiet, Verbose bool
	Color                 string // auto, always or never
}

// NewScreen returns a Screen that prints tables on out, which writes to the standard output of p.
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

// Out returns the writer for the text that a script prints. It keeps progress lines and frames intact.
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

// Step prints on standard error that a step begins, or how it ended.
func (s *Screen) Step(step report.Step) {
	if s.quiet {
		return
	}
	s.Progress("")
	line := strings.Repeat("  ", step.Depth) + "step " + printable.Line(step.Name)
	if step.Result != "" {
		line += fmt.Sprintf(": %s, %.1f s", step.Result, step.Seconds)
	}
	fmt.Fprintln(s.err, line)
}

// Notice prints text on standard error.
func (s *Screen) Notice(text string) {
	text = printable.Text(text)
	if !s.quiet {
		s.Progress("")
		if s.live {
			text = printable.Wrap(text, printable.Columns, len("dkvrun: "), hangingIndent)
		}
		fmt.Fprintf(s.err, "dkvrun: %s\n", text)
		if s.live && s.frame != "" {
			s.frame += "\ndkvrun: " + text
		}
	}
}
