package rewrite

import (
	"fmt"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

const (
	tooManyValues = "too many local variables in a function, or parts in an expression: divide it"
	tooManyLocals = "more than %d local variables in a function: divide it, or hold them in a table"
)

// maxLocals limits the visible locals of a function, as in Lua 5.1.
const maxLocals = 200

// compileProblem turns an error of gopher-lua's compiler into a Refusal. It rewords errors about the compiler's limits,
// and reports errors about registers, goto and labels at their own lines: gopher-lua gives the line where the function
// begins or ends, or the line after the label. peaks has the lines of the functions' peaks.
func compileProblem(err error, peaks map[int]int) error {
	e, ok := err.(*lua.CompileError)
	if !ok {
		return err
	}
	line, problem := e.Line, e.Message
	switch {
	case strings.HasPrefix(e.Message, "register overflow"), e.Message == "too many local variables":
		problem = tooManyValues
		if peaks[line] > 0 {
			line = peaks[line]
		}
	case e.Message == "too long to jump.":
		problem = fmt.Sprintf(tooLong, maxInstructions)
	case strings.Contains(e.Message, "<goto"):
		line, problem = cutLine(line, problem)
		problem = strings.NewReplacer("<", "", ">", "").Replace(problem)
	case strings.HasPrefix(e.Message, "label '"):
		line--
	}
	return &Refusal{max(1, line), problem}
}

// cutLine removes the first " at line N" from an error message and returns N with the rest. It returns line and the
// whole message if the message names no line.
func cutLine(line int, message string) (int, string) {
	before, after, ok := strings.Cut(message, " at line ")
	if !ok {
		return line, message
	}
	rest := strings.TrimLeft(after, "0123456789")
	n, err := strconv.Atoi(after[:len(after)-len(rest)])
	if err != nil {
		return line, message
	}
	return n, before + rest
}
