// Package rewrite compiles parsed Lua with gopher-lua. Where gopher-lua would compile a syntax tree wrongly, it
// rewrites the tree first, or refuses it.
package rewrite

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// rewriter rewrites a syntax tree. The files of this package describe one defect of gopher-lua 1.1.2 each, with its
// upstream issue, and repair it or refuse what can't be repaired:
//
//   - assign.go: assignments;
//   - concat.go, number.go: the operator .. and numbers;
//   - loop.go: generic for loops;
//   - table_keyed.go, table_flush.go, table_size.go: table constructors;
//   - jump.go, work.go: the size of a function, and the time to compile it;
//   - locals.go: the debug information of locals, for messages that name them.
//
// walk.go visits the tree.
type rewriter struct {
	refused int    // line of the first refusal, or 0
	why     string // its message

	concatenate string // the constant that .. calls: see concatConstant

	locals    []string  // the visible locals of the current function
	constants constants // of the current function; nil if they aren't counted
	labels    int       // labels and gotos of the current function
	work      work
	peak      peak        // of the current function
	peaks     map[int]int // lines of the peaks of functions, by the line where the function begins
}

// Refusal is the error of a source that can't be compiled.
type Refusal struct {
	// Line is the line of the problem, counted from 1.
	Line    int
	Message string
}

func (r *Refusal) Error() string { return r.Message }

// Compile rewrites and compiles a chunk. size is the length of its source in bytes. The compiled code calls concat for
// the operator ..
func Compile(chunk []ast.Stmt, name string, size int, concat *lua.LFunction) (*lua.FunctionProto, error) {
	m := rewriter{concatenate: concatConstant(size), peaks: map[int]int{}}
	if size > countFrom {
		m.constants = constants{}
	}
	if m.all(chunk); m.refused > 0 {
		return nil, &Refusal{m.refused, m.why}
	}
	proto, err := lua.Compile(chunk, name)
	if err != nil {
		m.peaks[0] = m.peak.line
		return nil, compileProblem(err, m.peaks)
	}
	if line := overlong(proto); line > 0 {
		return nil, &Refusal{line, fmt.Sprintf(tooLong, maxInstructions)}
	}
	placeLocals(proto, chunk)
	setConcat(proto, m.concatenate, concat)
	return proto, nil
}

// refuse records a refusal. The first one counts.
func (m *rewriter) refuse(line int, format string, args ...any) {
	if m.refused == 0 {
		m.refused, m.why = line, fmt.Sprintf(format, args...)
	}
}
