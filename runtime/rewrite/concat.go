package rewrite

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// The operator .. of gopher-lua 1.1.2 formats numbers differently from Lua 5.1: 0.1 + 0.2 as 0.30000000000000004
// instead of 0.3, and 1/0 as +Inf instead of inf. It also doesn't limit the size of its result. No upstream issue is
// known.
//
// The rewriter replaces each chain a .. b .. c with a call of a Go function (the concat argument of Compile). Scripts
// can't replace the function, because it is a constant of the compiled code and not a variable.

// concatConstant returns the text that stands for the function until the source is compiled. The text is longer than
// the source, so no constant of the source equals it.
func concatConstant(size int) string { return strings.Repeat(" ", size+1) }

// concat returns the call that replaces a .. b .. c.
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

// setConcat replaces the constant of each function in proto with concat.
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
