package suite

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"dkvrun/runtime"
	"dkvrun/runtime/syntax"
)

// Problem is a failure or an error in a test.
type Problem struct {
	// Assertion is set if an assertion failed; everything else is an error. Timeout is set if the time limit ended it.
	Assertion, Timeout bool
	// Message has one or a few lines. Hint says what to do, or is empty.
	Message, Hint string
	// Difference compares the expected with the actual value, line by line: "-" marks lines that only the expected one
	// has, "+" lines that only the actual one has. It is empty if there is nothing to compare.
	Difference string
	// File and Line are the place in the suite; Line is 0 if it is unknown. Source has the lines around it, with numbers.
	File   string
	Line   int
	Source string
	// Trace lists the active calls, innermost first.
	Trace string
}

// failure is the cause of the error that an assertion raises.
type failure struct {
	message    string
	difference string
}

func (e *failure) Error() string { return e.message }

// codeAssertion is the code of the error that an assertion raises.
const codeAssertion = "assertion"

// problem returns an error as a Problem.
func (f *file) problem(err error) *Problem {
	p := &Problem{Message: err.Error()}
	var exit *runtime.Exit
	var script *runtime.Error
	var late *ended
	var fails *failure
	if errors.As(err, &exit) {
		p.Message = fmt.Sprintf("exit(%d) was called: a test ends when its function returns", exit.Status)
	}
	if errors.As(err, &script) {
		p.Message, p.Hint = script.Message, script.Hint
		p.File, p.Line, p.Trace = script.File, script.Line, trace(script.Traceback)
		if runtime.IsInternalSource(p.File) || p.Line == 0 {
			p.File, p.Line = innermost(p.Trace, "")
		}
	}
	if errors.As(err, &fails) {
		p.Assertion, p.Difference = true, fails.difference
		// The place in the suite, not the one in a helper module.
		if file, line := innermost(p.Trace, f.path); line > 0 {
			p.File, p.Line = file, line
		}
	}
	if errors.As(err, &late) {
		p.Message, p.Assertion, p.Timeout = late.Error(), false, errors.Is(late.cause, errTimeout)
	}
	p.Source = source(p.File, p.Line)
	return p
}

// trace returns Lua's traceback without its heading and without the frames of Go.
func trace(traceback string) string {
	var lines []string
	for line := range strings.Lines(traceback) {
		line = strings.TrimSpace(line)
		inGo := strings.HasPrefix(line, "in function ") || strings.HasPrefix(line, "[G]")
		if line != "" && line != "stack traceback:" && !inGo {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// Regular expressions are compiled at their first use, because package initialization slows down every start.
var place = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(.+?):(\d+): `) })

// innermost returns the place of the first line of a trace that is in a file, or of the first line if file is empty.
func innermost(trace, file string) (string, int) {
	for line := range strings.Lines(trace) {
		m := place().FindStringSubmatch(line)
		if m == nil || file != "" && m[1] != file {
			continue
		}
		if n, err := strconv.Atoi(m[2]); err == nil {
			return m[1], n
		}
	}
	return "", 0
}

// contextLines is how many lines are shown before and after the line of a problem, statementLines how many lines a
// statement may have to be shown whole.
const (
	contextLines   = 2
	statementLines = 12
)

// source returns the lines around a line of a file, with the whole statement that the line belongs to, or "" if the
// file can't be read.
func source(path string, line int) string {
	if line == 0 {
		return ""
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	first, last := statement(text, line)
	first, last = max(1, min(first, line-contextLines)), min(len(lines), max(last, line+contextLines))
	var out strings.Builder
	for n := first; n <= last; n++ {
		mark := " "
		if n == line {
			mark = ">"
		}
		fmt.Fprintf(&out,
			"%s\n", strings.TrimRight(fmt.Sprintf("%s %*d  %s", mark, len(strconv.Itoa(last)), n, strings.TrimRight(lines[n-1], "\r")), " "))
	}
	return out.String()
}

// statement returns the first and the last line of the innermost statement that a line belongs to. It returns the line
// alone for a statement that contains others, for a long one, and if the source is not Lua.
func statement(text []byte, line int) (first, last int) {
	chunk, err := syntax.Parse(text)
	if err != nil {
		return line, line
	}
	first, last = line, line
	syntax.WalkBlock(&chunk.Block, func(n syntax.Node) bool {
		span := n.Spans()
		from, to := chunk.Lines.Number(span.Start), chunk.Lines.Number(max(span.Start, span.End-1))
		if line < from || to < line {
			return false
		}
		switch n.(type) {
		case *syntax.Local, *syntax.Assign, *syntax.CallStmt, *syntax.Return:
			if first, last = from, to; last-first >= statementLines {
				first, last = line, line
			}
		case syntax.Stmt:
			first, last = line, line
		}
		return true
	})
	return first, last
}
