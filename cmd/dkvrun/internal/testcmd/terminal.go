package testcmd

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fatih/color"

	"dkvrun/runtime/printable"
	"dkvrun/runtime/suite"
)

// terminal is the report for people: a dot or a line for each test when it ends, then the failures, and at the end the
// command that repeats the run.
type terminal struct {
	w       io.Writer
	verbose bool
	rerun   string
	paint   map[suite.Status]*color.Color
	shown   int            // number of dots printed
	details []suite.Result // the results to describe at the end
	slowest slowTests
}

// dotsOnLine is the number of dots on one line.
const dotsOnLine = 80

func newTerminal(w io.Writer, o *testOptions, colored bool) *terminal {
	t := &terminal{w: w, verbose: o.verbose, rerun: o.again, paint: map[suite.Status]*color.Color{
		suite.Passed: color.New(color.FgGreen), suite.Failed: color.New(color.FgRed, color.Bold),
		suite.Errored: color.New(color.FgRed, color.Bold), suite.Pending: color.New(color.FgYellow),
	}}
	for _, c := range t.paint {
		if colored {
			c.EnableColor()
		} else {
			c.DisableColor()
		}
	}
	return t
}

var dots = map[suite.Status]string{suite.Passed: ".", suite.Failed: "F", suite.Errored: "E", suite.Pending: "p"}

// words are the names of statuses on a line.
var words = map[suite.Status]string{suite.Passed: "ok", suite.Failed: "FAILED", suite.Errored: "ERROR", suite.Pending: "pending"}

func (t *terminal) Test(r suite.Result) error {
	t.slowest.note(r)
	if r.Bad() || r.Flaky() || r.Status() == suite.Pending {
		t.details = append(t.details, r)
	}
	if t.verbose {
		line := t.paint[r.Status()].Sprintf("%-7s", words[r.Status()]) + " " + title(r)
		if len(r.Attempts) > 1 {
			line += fmt.Sprintf(", %d attempts", len(r.Attempts))
		}
		_, err := fmt.Fprintf(t.w, "%s (%s)\n", line, short(r.Duration()))
		return err
	}
	dot := t.paint[r.Status()].Sprint(dots[r.Status()])
	if t.shown++; t.shown%dotsOnLine == 0 {
		dot += "\n"
	}
	_, err := io.WriteString(t.w, dot)
	return err
}

// title returns a test's place and name, on one line.
func title(r suite.Result) string {
	name := r.File
	if r.Line > 0 {
		name += fmt.Sprintf(":%d", r.Line)
	}
	name += ": " + r.FullName()
	if r.Round > 1 {
		name += fmt.Sprintf(" (round %d)", r.Round)
	}
	return printable.Line(name)
}

// short returns a duration rounded to three significant digits or so.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

func (t *terminal) End(s suite.Summary) error {
	var out strings.Builder
	if !t.verbose && t.shown%dotsOnLine != 0 {
		out.WriteByte('\n')
	}
	number := 0
	for _, r := range t.details {
		if r.Status() == suite.Pending {
			fmt.Fprintf(&out, "\n%s %s\n", t.paint[suite.Pending].Sprint("pending"), title(r))
			below(&out, "  ", r.Last().Reason)
			continue
		}
		number++
		head := words[r.Status()]
		status := r.Status()
		if r.Flaky() {
			head, status = "FLAKY", suite.Pending
		}
		fmt.Fprintf(&out, "\n%d) %s %s (%s)\n", number, t.paint[status].Sprint(head), title(r), short(r.Duration()))
		for i, a := range r.Attempts {
			if len(r.Attempts) > 1 {
				fmt.Fprintf(&out, "  attempt %d of %d: %s\n", i+1, len(r.Attempts), words[a.Status])
			}
			t.attempt(&out, a)
		}
	}
	t.slowest.show(&out)
	t.summary(&out, s)
	_, err := io.WriteString(t.w, out.String())
	return err
}

// attempt shows the problems of an attempt, and the actions and output before them.
func (t *terminal) attempt(out *strings.Builder, a suite.Attempt) {
	for i, p := range a.Problems {
		message := p.Message
		if i > 0 {
			message = "then: " + message
		}
		below(out, "  ", message)
		for line := range strings.Lines(p.Difference) {
			painted := printable.Text(strings.TrimRight(line, "\n"))
			switch {
			case line == "- expected  + got\n":
			case strings.HasPrefix(line, "-"):
				painted = t.paint[suite.Passed].Sprint(painted)
			case strings.HasPrefix(line, "+"):
				painted = t.paint[suite.Failed].Sprint(painted)
			}
			out.WriteString("  " + painted + "\n")
		}
		if p.Line > 0 {
			below(out, "  ", fmt.Sprintf("%s:%d", p.File, p.Line))
		}
		below(out, "  ", p.Source)
		if p.Hint != "" {
			below(out, "  ", "hint: "+p.Hint)
		}
		if !p.Assertion || strings.Contains(p.Trace, "\n") {
			below(out, "    ", p.Trace)
		}
	}
	if len(a.Problems) == 0 {
		return
	}
	if len(a.Actions) > 0 {
		below(out, "  ", "actions before it:")
		below(out, "    ", lastLines(strings.Join(a.Actions, "\n")))
	}
	if a.Output != "" {
		below(out, "  ", "output:")
		below(out, "    ", lastLines(a.Output))
	}
}

// mostLines bounds the lines shown of a test's actions and output; other reports contain all of them.
const mostLines = 200

// lastLines returns the last mostLines lines of a text.
func lastLines(text string) string {
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	if more := len(lines) - mostLines; more > 0 {
		return fmt.Sprintf("… %d lines before\n", more) + strings.Join(lines[more:], "")
	}
	return text
}

// below writes a text with each line indented by by.
func below(out *strings.Builder, by, text string) {
	for line := range strings.Lines(printable.Text(text)) {
		out.WriteString(strings.TrimRight(by+line, " \n") + "\n")
	}
}

func (t *terminal) summary(out *strings.Builder, s suite.Summary) {
	parts := []string{fmt.Sprintf("%d passed", s.Passed)}
	for _, part := range []struct {
		count int
		what  string
	}{{s.Failed, "failed"}, {s.Errors, "with errors"}, {s.Pending, "pending"}, {s.Flaky, "flaky"}} {
		if part.count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.count, part.what))
		}
	}
	verdict := t.paint[suite.Passed].Sprint("PASSED")
	switch {
	case s.Bad():
		verdict = t.paint[suite.Failed].Sprint("FAILED")
	case s.Tests() == 0:
		verdict = t.paint[suite.Pending].Sprint("NOTHING RUN")
	}
	files := "1 file"
	if s.Files != 1 {
		files = fmt.Sprintf("%d files", s.Files)
	}
	fmt.Fprintf(out, "\n%s: %s, in %s, %s, seed %d\n", verdict, strings.Join(parts, ", "), files, short(s.Duration), s.Seed)
	if s.Stopped != nil {
		fmt.Fprintf(out, "not all tests were run: %s\n", printable.Text(s.Stopped.Error()))
	}
	fmt.Fprintf(out, "rerun: %s\n", printable.Text(t.rerun))
}
