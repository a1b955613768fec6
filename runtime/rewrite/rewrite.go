// Package rewrite compiles parsed Lua with gopher-lua. It first rewrites the syntax tree where gopher-lua would
// compile it wrongly, and refuses what can't be rewritten.
package rewrite

import (
	"fmt"
	"slices"

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

// fieldsPerFlush is how many list items gopher-lua stores at once.
const fieldsPerFlush = 50

const refusedList = "a list of 50, 100, … items can't end in a call or ... that may give several values: put it in parentheses to take one"

// all rewrites the statements of a block, in which the locals of these names are visible too.
func (m *rewriter) all(stmts []ast.Stmt, names ...string) {
	outer := len(m.locals)
	m.locals = append(m.locals, names...)
	for i, s := range stmts {
		m.stmt(s)
		switch s := s.(type) {
		case *ast.AssignStmt:
			if m.compilesWrongly(s) {
				stmts[i] = m.inBlock(s)
			}
		case *ast.LocalAssignStmt:
			m.locals = append(m.locals, s.Names...)
		}
	}
	m.locals = m.locals[:outer]
}

// loopLocals stand for what a loop keeps in registers, beside its variables.
var loopLocals = []string{"(loop)", "(loop)", "(loop)"}

func (m *rewriter) stmt(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.AssignStmt:
		m.list(s.Lhs)
		m.list(s.Rhs)
	case *ast.LocalAssignStmt:
		m.list(s.Exprs)
	case *ast.FuncCallStmt:
		m.exprs(&s.Expr)
	case *ast.DoBlockStmt:
		m.all(s.Stmts)
	case *ast.WhileStmt:
		m.exprs(&s.Condition)
		m.all(s.Stmts)
	case *ast.RepeatStmt:
		m.exprs(&s.Condition)
		m.all(s.Stmts)
	case *ast.IfStmt:
		m.exprs(&s.Condition)
		m.all(s.Then)
		m.all(s.Else)
	case *ast.NumberForStmt:
		m.exprs(&s.Init, &s.Limit, &s.Step)
		m.all(s.Stmts, append(loopLocals[:3:3], s.Name)...)
	case *ast.GenericForStmt:
		m.list(s.Exprs)
		if !(len(s.Exprs) == 1 && mayGiveSeveral(s.Exprs[0])) {
			for n := len(s.Names) + 1; n <= 3; n++ {
				s.Names = append(s.Names, fmt.Sprintf("(name %d)", n)) // no name of a script
			}
		}
		m.all(s.Stmts, append(loopLocals[:3:3], s.Names...)...)
	case *ast.FuncDefStmt:
		m.exprs(&s.Name.Func, &s.Name.Receiver)
		if s.Name.Receiver != nil {
			m.function(s.Func, "self")
		} else {
			m.function(s.Func)
		}
	case *ast.ReturnStmt:
		m.list(s.Exprs)
	}
}

func (m *rewriter) list(exprs []ast.Expr) {
	for i := range exprs {
		m.exprs(&exprs[i])
	}
}

// exprs mends the expressions at these places.
func (m *rewriter) exprs(places ...*ast.Expr) {
	for _, place := range places {
		switch e := (*place).(type) {
		case *ast.IdentExpr:
			m.constant(e.Line(), e.Value)
		case *ast.StringExpr:
			m.constant(e.Line(), e.Value)
		case *ast.NumberExpr:
			m.number(e)
			m.constant(e.Line(), e.Value)
		case *ast.TableExpr:
			m.table(e)
		case *ast.FuncCallExpr:
			m.exprs(&e.Func, &e.Receiver)
			m.constant(e.Line(), e.Method)
			m.list(e.Args)
		case *ast.FunctionExpr:
			m.function(e)
		case *ast.AttrGetExpr:
			m.exprs(&e.Object, &e.Key)
		case *ast.LogicalOpExpr:
			m.exprs(&e.Lhs, &e.Rhs)
		case *ast.RelationalOpExpr:
			m.exprs(&e.Lhs, &e.Rhs)
		case *ast.StringConcatOpExpr:
			*place = m.concat(e)
		case *ast.ArithmeticOpExpr:
			m.exprs(&e.Lhs, &e.Rhs)
		case *ast.UnaryMinusOpExpr:
			m.exprs(&e.Expr)
		case *ast.UnaryNotOpExpr:
			m.exprs(&e.Expr)
		case *ast.UnaryLenOpExpr:
			m.exprs(&e.Expr)
		}
	}
}

func (m *rewriter) table(t *ast.TableExpr) {
	items := 0
	for i, f := range t.Fields {
		m.exprs(&f.Key, &f.Value)
		if f.Key == nil {
			items++
		}
		// Only the last field may give more than one value, and only as a list item.
		if f.Key != nil || i < len(t.Fields)-1 {
			cutToOne(f.Value)
		}
	}
	if items > maxListItems {
		m.refuse(t.Line(), tooManyItems, maxListItems)
	}
	if items >= fieldsPerFlush && items < len(t.Fields) {
		slices.SortStableFunc(t.Fields, func(a, b *ast.Field) int { return rank(a) - rank(b) })
	}
	if n := len(t.Fields); items > 1 && items%fieldsPerFlush == 1 && mayGiveSeveral(t.Fields[n-1].Value) {
		m.refuse(t.Line(), refusedList)
	}
}

// rank puts fields with keys before list items.
func rank(f *ast.Field) int {
	if f.Key == nil {
		return 1
	}
	return 0
}

// cutToOne makes e one value, as parentheses do, and returns it.
func cutToOne(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.FuncCallExpr:
		e.AdjustRet = true
	case *ast.Comma3Expr:
		e.AdjustRet = true
	}
	return e
}

func mayGiveSeveral(e ast.Expr) bool {
	switch e.(type) {
	case *ast.FuncCallExpr, *ast.Comma3Expr:
		return !isCutToOne(e)
	}
	return false
}

func isCutToOne(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.FuncCallExpr:
		return e.AdjustRet
	case *ast.Comma3Expr:
		return e.AdjustRet
	}
	return false
}
