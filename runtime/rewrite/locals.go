package rewrite

import (
	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// gopher-lua 1.1.2 records the instruction at which each local begins. It records the end for the wrong local, and no
// registers. No upstream issue is known. Messages name locals, so placeLocals records both. It visits the syntax tree
// in the order in which gopher-lua compiles it.

// place is where a local is: its register, and the lines of its block.
type place struct{ register, first, last int }

// places holds the places of a function's locals in the order of their declaration, and the functions in the function.
type places struct {
	locals    []place
	functions []*places
	active    int // number of locals that are visible
}

// Bits of DbgLocalInfo.EndPc after placeLocals.
const (
	registerBits = 8
	inOneLine    = 1 << registerBits // the local's block is on one line with other code
	endShift     = registerBits + 1
)

// placeLocals sets the EndPc of all locals in proto, a compiled chunk: see LocalAt.
func placeLocals(proto *lua.FunctionProto, chunk []ast.Stmt) {
	f := &places{}
	f.block(chunk, 0, 0)
	f.record(proto)
}

// LocalAt returns the name of the local that is in a register before the instruction at pc, or "", and the instruction
// that it begins at. certain is false if the block of the local may have ended before pc, on the same line.
func LocalAt(proto *lua.FunctionProto, pc, register int) (name string, start int, certain bool) {
	for i := len(proto.DbgLocals) - 1; i >= 0; i-- {
		l := proto.DbgLocals[i]
		if l.StartPc <= pc && l.EndPc&(1<<registerBits-1) == register {
			if pc >= l.EndPc>>endShift {
				return "", 0, true
			}
			return l.Name, l.StartPc, l.EndPc&inOneLine == 0
		}
	}
	return "", 0, true
}

// record sets the EndPc of the locals of proto and of the functions in it.
func (f *places) record(proto *lua.FunctionProto) {
	if len(f.locals) != len(proto.DbgLocals) || len(f.functions) != len(proto.FunctionPrototypes) {
		proto.DbgLocals = nil
		return
	}
	lines := proto.DbgSourcePositions
	var open []int // locals whose registers no later local has taken so far
	end := func(i, limit int) {
		at, end := f.locals[i], limit
		if at.last > 0 {
			for end = proto.DbgLocals[i].StartPc; end < limit && lines[end] <= at.last; end++ {
			}
		}
		proto.DbgLocals[i].EndPc = end<<endShift | at.register
		if at.last > 0 && at.first == at.last {
			proto.DbgLocals[i].EndPc |= inOneLine
		}
	}
	for i, l := range proto.DbgLocals {
		for n := len(open) - 1; n >= 0 && f.locals[open[n]].register >= f.locals[i].register; n-- {
			end(open[n], l.StartPc)
			open = open[:n]
		}
		open = append(open, i)
	}
	for _, i := range open {
		end(i, len(lines))
	}
	for i, inner := range f.functions {
		inner.record(proto.FunctionPrototypes[i])
	}
}

// declare adds locals of a block between two lines. The lines are 0 for the body of a function.
func (f *places) declare(names, first, last int) {
	for range names {
		f.locals = append(f.locals, place{f.active, first, last})
		f.active++
	}
}

// block visits statements and ends their scope.
func (f *places) block(stmts []ast.Stmt, first, last int) {
	outer := f.active
	f.stmts(stmts, first, last)
	f.active = outer
}

// stmts visits statements of a block between two lines.
func (f *places) stmts(stmts []ast.Stmt, first, last int) {
	for _, s := range stmts {
		switch s := s.(type) {
		case *ast.AssignStmt:
			f.exprs(s.Lhs...)
			f.exprs(s.Rhs...)
		case *ast.LocalAssignStmt:
			if len(s.Names) == 1 && len(s.Exprs) == 1 {
				if _, ok := s.Exprs[0].(*ast.FunctionExpr); ok { // a function sees its own name
					f.declare(1, first, last)
					f.exprs(s.Exprs...)
					continue
				}
			}
			f.exprs(s.Exprs...)
			f.declare(len(s.Names), first, last)
		case *ast.FuncCallStmt:
			f.exprs(s.Expr)
		case *ast.DoBlockStmt:
			f.block(s.Stmts, s.Line(), s.LastLine())
		case *ast.WhileStmt:
			f.exprs(s.Condition)
			f.block(s.Stmts, s.Line(), s.LastLine())
		case *ast.RepeatStmt:
			outer := f.active
			f.stmts(s.Stmts, s.Line(), s.LastLine())
			f.exprs(s.Condition)
			f.active = outer
		case *ast.IfStmt:
			f.exprs(s.Condition)
			from, to := first, last
			if s.LastLine() > 0 { // not an elseif, which is a part of another statement
				from, to = s.Line(), s.LastLine()
			}
			f.block(s.Then, from, to)
			f.block(s.Else, from, to)
		case *ast.NumberForStmt:
			f.numberFor(s)
		case *ast.GenericForStmt:
			outer := f.active
			f.declare(len(loopLocals), s.Line(), s.LastLine())
			f.exprs(s.Exprs...)
			f.declare(len(s.Names), s.Line(), s.LastLine())
			f.stmts(s.Stmts, s.Line(), s.LastLine())
			f.active = outer
		case *ast.FuncDefStmt:
			if s.Name.Func == nil {
				f.exprs(s.Name.Receiver)
				f.function(s.Func, 1)
			} else {
				f.exprs(s.Name.Func, s.Func)
			}
		case *ast.ReturnStmt:
			f.exprs(s.Exprs...)
		}
	}
}

func (f *places) numberFor(s *ast.NumberForStmt) {
	outer := f.active
	for _, e := range []ast.Expr{s.Init, s.Limit, s.Step} {
		f.declare(1, s.Line(), s.LastLine())
		f.exprs(e)
	}
	f.declare(1, s.Line(), s.LastLine())
	f.stmts(s.Stmts, s.Line(), s.LastLine())
	f.active = outer
}

// exprs visits expressions. A nil expression is none.
func (f *places) exprs(exprs ...ast.Expr) {
	for _, e := range exprs {
		switch e := e.(type) {
		case *ast.TableExpr:
			for _, field := range e.Fields {
				f.exprs(field.Key, field.Value)
			}
		case *ast.FuncCallExpr:
			f.exprs(e.Func, e.Receiver)
			f.exprs(e.Args...)
		case *ast.FunctionExpr:
			f.function(e, 0)
		case *ast.AttrGetExpr:
			f.exprs(e.Object, e.Key)
		case *ast.LogicalOpExpr:
			f.exprs(e.Lhs, e.Rhs)
		case *ast.RelationalOpExpr:
			f.exprs(e.Lhs, e.Rhs)
		case *ast.ArithmeticOpExpr:
			f.exprs(e.Lhs, e.Rhs)
		case *ast.UnaryMinusOpExpr:
			f.exprs(e.Expr)
		case *ast.UnaryNotOpExpr:
			f.exprs(e.Expr)
		case *ast.UnaryLenOpExpr:
			f.exprs(e.Expr)
		}
	}
}

// function visits a function with a number of parameters that aren't in its parameter list.
func (f *places) function(e *ast.FunctionExpr, hidden int) {
	inner := &places{}
	f.functions = append(f.functions, inner)
	parameters := hidden + len(e.ParList.Names)
	if e.ParList.HasVargs {
		parameters++ // arg
	}
	inner.declare(parameters, 0, 0)
	inner.block(e.Stmts, 0, 0)
}
