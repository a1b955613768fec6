package rewrite

import (
	"strings"

	lua "github.com/yuin/gopher-lua"

	"github.com/yuin/gopher-lua/ast"
)

// Where gopher-lua 1.1.2 makes text of a number, or a number of text, it does not do as Lua does: .. writes
// 0.1 + 0.2 as 0.30000000000000004 and 1/0 as +Inf, where tostring gives 0.3 and inf; "010" + 1 and the
// number 0012 are read as octal. It also puts no bounds to what .. makes. So .. becomes a call of
// Host.concatenate, which is a constant of the function that holds it; numbers in the source are written
// anew; and strings have a metatable with Lua's arithmetic.

// concatConstant stands for Host.concatenate until a source is compiled. No text in the source is as long.
func concatConstant(size int) string { return strings.Repeat(" ", size+1) }

// concat is concatenate(a, b, c) for a .. b .. c.
func (m *rewriter) concat(e *ast.StringConcatOpExpr) ast.Expr {
	operands := []ast.Expr{e.Lhs}
	rest := e.Rhs
	for {
		right, ok := rest.(*ast.StringConcatOpExpr)
		if !ok {
			break
		}
		operands, rest = append(operands, right.Lhs), right.Rhs
	}
	operands = append(operands, cutToOne(rest))
	m.list(operands)
	called := &ast.StringExpr{Value: m.concatenate}
	call := &ast.FuncCallExpr{Func: called, Args: operands, AdjustRet: true}
	for _, node := range []ast.Expr{called, call} {
		node.SetLine(e.Line())
		node.SetLastLine(e.LastLine())
	}
	return call
}

// setConcat puts Host.concatenate where the functions of a source have the constant that stands for it.
func setConcat(proto *lua.FunctionProto, constant string, concat *lua.LFunction) {
	for i, c := range proto.Constants {
		if c == lua.LValue(lua.LString(constant)) {
			proto.Constants[i] = concat
		}
	}
	for _, inner := range proto.FunctionPrototypes {
		setConcat(inner, constant, concat)
	}
}
