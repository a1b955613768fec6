package rewrite

import (
	"slices"

	"github.com/yuin/gopher-lua/ast"
)

// gopher-lua 1.1.2 stores the items of a table constructor in batches of 50. After a full batch it stores a batch once
// more in two cases. No upstream issue is known for either.
//
//   - A field with a key follows: {1, …, 50, k = "v"} gets the key or the value as its first item. The rewriter moves
//     the fields with keys before the items.
//   - A call or "..." that can return several values follows as the last item: its values replace earlier items. The
//     rewriter refuses such a list.

// itemsPerBatch is the number of list items that gopher-lua stores at once.
const itemsPerBatch = 50

const refusedList = "a list of 50, 100, … items can't end in a call or ... that may give several values: " +
	"put it in parentheses to take one"

// repairBatches reorders or refuses a table constructor with the given number of list items.
func (m *rewriter) repairBatches(t *ast.TableExpr, items int) {
	if items >= itemsPerBatch && items < len(t.Fields) {
		slices.SortStableFunc(t.Fields, func(a, b *ast.Field) int { return rank(a) - rank(b) })
	}
	if n := len(t.Fields); items > 1 && items%itemsPerBatch == 1 && mayGiveSeveral(t.Fields[n-1].Value) {
		m.refuse(t.Line(), refusedList)
	}
}

// rank orders fields with keys before list items.
func rank(f *ast.Field) int {
	if f.Key == nil {
		return 1
	}
	return 0
}
