package rewrite

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

const (
	// maxLookups is how many constants the compiler may look through, about a second: it goes through
	// those that a function has for each name, text and number that the function holds.
	maxLookups = 50_000_000
	// lookupsFrom is the size, in bytes, of the smallest source that could need more.
	lookupsFrom = 32 << 10
	// maxListItems is how many list items a constructor may have: gopher-lua 1.1.2 drops the others.
	maxListItems = 511 * fieldsPerFlush
	// maxInstructions is how many a function may have: jumps over more go astray.
	maxInstructions = 1 << 17
)

const (
	tooManyLookups = "too many different names, texts and numbers in one function: divide it, or hold them as JSON text"
	tooManyItems   = "a list of more than %d items: divide it, or hold it as JSON text"
	tooLong        = "a function of more than %d instructions, or the main chunk: divide it"
	tooManyValues  = "too many local variables in a function, or parts in an expression: divide it"
)

// constants are those of one function, numbered in the order in which they come. A nil one counts nothing.
type constants map[string]int

// constant notes a use of a constant.
func (m *rewriter) constant(line int, text string) {
	if m.constants == nil {
		return
	}
	i, known := m.constants[text]
	if !known {
		i = len(m.constants)
		m.constants[text] = i
	}
	if m.lookups += i; m.lookups > maxLookups {
		m.refuse(line, tooManyLookups)
	}
}

// function rewrites the body of a function, which has constants and locals of its own. hidden names those of its
// parameters that don't stand in the list.
func (m *rewriter) function(f *ast.FunctionExpr, hidden ...string) {
	constants, locals := m.constants, m.locals
	if constants != nil {
		m.constants = map[string]int{}
	}
	m.locals = nil
	names := append(hidden, f.ParList.Names...)
	if f.ParList.HasVargs {
		names = append(names, "arg")
	}
	m.all(f.Stmts, names...)
	m.constants, m.locals = constants, locals
}

// overlong is the line of the first function that has too many instructions, 0 for none.
func overlong(proto *lua.FunctionProto) int {
	if len(proto.Code) >= maxInstructions {
		return max(1, proto.LineDefined)
	}
	for _, inner := range proto.FunctionPrototypes {
		if line := overlong(inner); line > 0 {
			return line
		}
	}
	return 0
}

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
