package rewrite

import "github.com/yuin/gopher-lua/ast"

// The time that gopher-lua 1.1.2 takes to compile a source grows faster than the source in these cases. No upstream
// issue is known for any of them.
//
//   - It searches the constants of a function one by one for each name, text and number in the function.
//   - It searches the locals of all blocks around a name for each name. Each elseif is a block in the one before.
//   - It folds the constants of an arithmetic expression anew for each part of the expression.
//   - It searches all gotos of a function for each label.
//
// The rewriter counts the steps and refuses a source that needs too many.

const (
	// maxSteps limits the constants that are compared, and the operators that are folded. gopher-lua does as many in
	// less than a second.
	maxSteps = 50_000_000
	// maxSearched limits the blocks and locals that are searched, of which gopher-lua does more in that time.
	maxSearched = 4 * maxSteps
	// maxLabels limits the labels, and the gotos, of a function.
	maxLabels = 500
	// countFrom is the size in bytes of the smallest source that can exceed maxSteps.
	countFrom = 16 << 10
)

const (
	tooManyLookups   = "too many different names, texts and numbers in one function: divide it, or hold them as JSON text"
	tooManyBlocks    = "too many names in nested blocks, or branches in an if: divide the function"
	tooManyOperators = "too many operators in long expressions: divide the expressions"
	tooManyLabels    = "more than %d labels or gotos in one function: divide it"
)

// work holds the steps of gopher-lua's compiler so far.
type work struct {
	constants, blocks, operators int
	around                       int // blocks and locals around the current statement, in all functions
}

// constants maps each constant of a function to its index, in order of first use. It is nil if they aren't counted.
type constants map[string]int

// constant counts a use of a constant.
func (m *rewriter) constant(line int, text string) {
	if m.constants == nil {
		return
	}
	i, known := m.constants[text]
	if !known {
		i = len(m.constants)
		m.constants[text] = i
	}
	if m.work.constants += i; m.work.constants > maxSteps {
		m.refuse(line, tooManyLookups)
	}
}

// name counts a use of a variable.
func (m *rewriter) name(line int, text string) {
	m.constant(line, text)
	if m.work.blocks += m.work.around; m.work.blocks > maxSearched {
		m.refuse(line, tooManyBlocks)
	}
}

// arithmetic rewrites an arithmetic expression and returns the number of operators in it, which gopher-lua folds
// together.
func (m *rewriter) arithmetic(e ast.Expr) int {
	operators := 1
	operand := func(place *ast.Expr) {
		switch (*place).(type) {
		case *ast.ArithmeticOpExpr, *ast.UnaryMinusOpExpr:
			operators += m.arithmetic(*place)
		default:
			m.exprs(place)
		}
	}
	switch e := e.(type) {
	case *ast.ArithmeticOpExpr:
		operand(&e.Lhs)
		operand(&e.Rhs)
	case *ast.UnaryMinusOpExpr:
		operand(&e.Expr)
	}
	if m.work.operators += operators; m.work.operators > maxSteps {
		m.refuse(e.Line(), tooManyOperators)
	}
	return operators
}

// label counts a label or a goto of the current function.
func (m *rewriter) label(line int) {
	if m.labels++; m.labels > maxLabels {
		m.refuse(line, tooManyLabels, maxLabels)
	}
}

// peak is the statement or call of a function that needs the most registers.
type peak struct{ registers, line int }

// uses counts registers that are used beside those of the visible locals.
func (m *rewriter) uses(line, registers int) {
	if n := len(m.locals) + registers; n > m.peak.registers {
		m.peak = peak{n, line}
	}
}

// registers counts the registers of a statement.
func (m *rewriter) registers(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.AssignStmt:
		m.uses(s.Line(), len(s.Lhs)+len(s.Rhs))
	case *ast.LocalAssignStmt:
		m.uses(s.Line(), max(len(s.Names), len(s.Exprs)))
	case *ast.ReturnStmt:
		m.uses(s.Line(), len(s.Exprs))
	}
}
