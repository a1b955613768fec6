// Package rewrite compiles parsed Lua with gopher-lua. It first rewrites the syntax tree where gopher-lua would
// compile it wrongly, and refuses what can't be rewritten.
package rewrite

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// gopher-lua 1.1.2 compiles these table constructors wrongly:
//
//   - {"a", k = f()}: when the last field has a key and its value is a call or "...", all that is on
//     the stack is stored as list items, the value itself among them;
//   - 50 list items and then a field with a key: the item list is stored once more, with the key or
//     value in the place of its first item;
//
// and a third kind, 50, 100, … list items and then a call or "..." that may give several values: they
// take the place of earlier items.
//
// Lists of more than 511 × 50 items lose items (pull request #537); limits.go refuses them.
//
// And it compiles for k, v in next, t (issue #514, pull request #528) so that the loop begins after whatever key was left where it keeps
// the last one.
//
// rewriter rewrites the parsed source so that none is met: it cuts a value with a key down to one, as
// parentheses do, puts fields with keys before a list that is so long, notes where the third kind
// stands, which has to be refused, and gives such loops the three names for which all that they keep is
// set. assign.go and concat.go say what it does to assignments, to .. and to numbers.
type rewriter struct {
	refused int    // the line of the first thing that can't be mended, 0 for none
	why     string // what to say of it

	concatenate string // the constant that .. calls: see concatConstant

	locals    []string  // of the present function, as far as they are visible
	constants constants // of the present function, where they are counted
	lookups   int
}

// Refusal is the error of a source that can't be compiled.
type Refusal struct {
	// Line is where the problem is, from 1.
	Line    int
	Message string
}

func (r *Refusal) Error() string { return r.Message }

// Compile rewrites and compiles the chunk of a source of size bytes. The compiled code calls concat for the operator "..".
func Compile(chunk []ast.Stmt, name string, size int, concat *lua.LFunction) (*lua.FunctionProto, error) {
	m := rewriter{concatenate: concatConstant(size)}
	if size > lookupsFrom {
		m.constants = constants{}
	}
	if m.all(chunk); m.refused > 0 {
		return nil, &Refusal{m.refused, m.why}
	}
	proto, err := lua.Compile(chunk, name)
	if err != nil {
		return nil, compileProblem(err)
	}
	if line := overlong(proto); line > 0 {
		return nil, &Refusal{line, fmt.Sprintf(tooLong, maxInstructions)}
	}
	setConcat(proto, m.concatenate, concat)
	return proto, nil
}

func (m *rewriter) refuse(line int, format string, args ...any) {
	if m.refused == 0 {
		m.refused, m.why = line, fmt.Sprintf(format, args...)
	}
}
