package rewrite

import (
	"strconv"

	"github.com/yuin/gopher-lua/ast"

	"dkvrun/runtime/luanum"
)

// number writes a number as gopher-lua reads it rightly.
func (m *rewriter) number(e *ast.NumberExpr) {
	n, ok := luanum.Parse(e.Value)
	if !ok {
		m.refuse(e.Line(), "malformed number near '%s'", e.Value)
	}
	e.Value = strconv.FormatFloat(n, 'g', -1, 64)
}
