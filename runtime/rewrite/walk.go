package rewrite

import (
	"github.com/yuin/gopher-lua/ast"
)

// all rewrites the statements of a block. names are the locals that the block begins with.
func (m *rewriter) all(stmts []ast.Stmt, names ...string) {
	outer, around := len(m.locals), m.work.around
	m.declare(0, names...)
	m.work.around++
	for i, s := range stmts {
		if m.refused > 0 {
			return
		}
		m.registers(s)
		m.stmt(s)
		switch s := s.(type) {
		case *ast.AssignStmt:
			if m.compilesWrongly(s) || m.lacksRegisters(s) {
				stmts[i] = m.inBlock(s)
			}
		case *ast.LocalAssignStmt:
			m.declare(s.Line(), s.Names...)
		}
	}
	m.locals, m.work.around = m.locals[:outer], around
}

// declare adds visible locals of the current function. It refuses more than gopher-lua has registers for.
func (m *rewriter) declare(line int, names ...string) {
	m.locals = append(m.locals, names...)
	m.work.around += len(names)
	if len(m.locals) > maxLocals && line > 0 {
		m.refuse(line, tooManyLocals, maxLocals)
	}
}

// stmt rewrites what a statement contains. all replaces the statement itself.
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
		initLoop(s)
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
	case *ast.GotoStmt:
		m.label(s.Line())
	case *ast.LabelStmt:
		m.label(s.Line())
	}
}

// list rewrites a list of expressions.
func (m *rewriter) list(exprs []ast.Expr) {
	for i := range exprs {
		m.exprs(&exprs[i])
	}
}

// exprs rewrites the expressions at these places.
func (m *rewriter) exprs(places ...*ast.Expr) {
	for _, place := range places {
		switch e := (*place).(type) {
		case *ast.IdentExpr:
			m.name(e.Line(), e.Value)
		case *ast.StringExpr:
			m.constant(e.Line(), e.Value)
		case *ast.NumberExpr:
			m.number(e)
			m.constant(e.Line(), e.Value)
		case *ast.TableExpr:
			m.table(e)
		case *ast.FuncCallExpr:
			m.uses(e.Line(), len(e.Args))
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
		case *ast.ArithmeticOpExpr, *ast.UnaryMinusOpExpr:
			m.arithmetic(e)
		case *ast.UnaryNotOpExpr:
			m.exprs(&e.Expr)
		case *ast.UnaryLenOpExpr:
			m.exprs(&e.Expr)
		}
	}
}

// table rewrites a table constructor.
func (m *rewriter) table(t *ast.TableExpr) {
	items := 0
	for _, f := range t.Fields {
		m.exprs(&f.Key, &f.Value)
		if f.Key == nil {
			items++
		}
	}
	cutValues(t.Fields)
	m.checkSize(t, items)
	m.repairBatches(t, items)
}

// function rewrites the body of a function. It starts with no locals and no constants. hidden are the names of
// parameters that aren't in the parameter list.
func (m *rewriter) function(f *ast.FunctionExpr, hidden ...string) {
	constants, locals, labels, outer := m.constants, m.locals, m.labels, m.peak
	if constants != nil {
		m.constants = map[string]int{}
	}
	m.locals, m.labels, m.peak = nil, 0, peak{}
	names := append(hidden, f.ParList.Names...)
	if f.ParList.HasVargs {
		names = append(names, "arg")
	}
	m.all(f.Stmts, names...)
	m.peaks[f.Line()] = m.peak.line
	m.constants, m.locals, m.labels, m.peak = constants, locals, labels, outer
}

// cutToOne limits e to one value, as parentheses do, and returns it.
func cutToOne(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.FuncCallExpr:
		e.AdjustRet = true
	case *ast.Comma3Expr:
		e.AdjustRet = true
	}
	return e
}

// mayGiveSeveral reports whether an expression can have several values or none.
func mayGiveSeveral(e ast.Expr) bool {
	switch e.(type) {
	case *ast.FuncCallExpr, *ast.Comma3Expr:
		return !isCutToOne(e)
	}
	return false
}

// isCutToOne reports whether an expression is a call or "..." in parentheses.
func isCutToOne(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.FuncCallExpr:
		return e.AdjustRet
	case *ast.Comma3Expr:
		return e.AdjustRet
	}
	return false
}
