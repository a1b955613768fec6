package rewrite

import "github.com/yuin/gopher-lua/ast"

// gopher-lua 1.1.2 drops the list items of a table constructor after item 25,550, and may drop the assignment of the
// table too (pull request #537). The rewriter refuses such a list.

// maxListItems limits the list items of a table constructor. An instruction can number 511 batches of items.
const maxListItems = 511 * itemsPerBatch

const tooManyItems = "a list of more than %d items: divide it, or hold it as JSON text"

// checkSize refuses a table constructor with too many list items.
func (m *rewriter) checkSize(t *ast.TableExpr, items int) {
	if items > maxListItems {
		m.refuse(t.Line(), tooManyItems, maxListItems)
	}
}
