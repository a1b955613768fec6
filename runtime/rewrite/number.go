package rewrite

import (
	"strconv"

	"github.com/yuin/gopher-lua/ast"

	"dkvrun/runtime/luanum"
)

// gopher-lua 1.1.2 reads numbers with a leading zero, such as 0012, as octal (issue #478 and pull request #535, which
// name only text in arithmetic: "0012" + 0).
//
// number rewrites a number of the source into a form that gopher-lua reads correctly, and refuses one that Lua
// 5.1 can't read. The metatable of strings does the arithmetic of text.
func (m *rewriter) number(e *ast.NumberExpr) {
	n, ok := luanum.Parse(e.Value)
	if !ok {
		m.refuse(e.Line(), "malformed number near '%s'", e.Value)
	}
	e.Value = strconv.FormatFloat(n, 'g', -1, 64)
}
