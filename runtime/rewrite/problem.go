package rewrite

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

const tooManyValues = "too many local variables in a function, or parts in an expression: divide it"

// ofGoto is where the compiler's words about a goto name its line.
var ofGoto = regexp.MustCompile(` at line (\d+)`)

// compileProblem says what the compiler's limits are for, and puts what it finds wrong with a goto or a label
// at the line of that.
func compileProblem(err error) error {
	e, ok := err.(*lua.CompileError)
	if !ok {
		return err
	}
	line, problem := e.Line, e.Message
	at := ofGoto.FindStringSubmatch(e.Message)
	switch {
	case strings.HasPrefix(e.Message, "register overflow"), e.Message == "too many local variables":
		problem = tooManyValues
	case e.Message == "too long to jump.":
		problem = fmt.Sprintf(tooLong, maxInstructions)
	case at != nil && strings.Contains(e.Message, "<goto"):
		line, _ = strconv.Atoi(at[1])
		problem = strings.NewReplacer(at[0], "", "<", "", ">", "").Replace(e.Message)
	case strings.HasPrefix(e.Message, "label '"):
		line--
	}
	return &Refusal{max(1, line), problem}
}
