package rewrite

import (
	"slices"

	"github.com/yuin/gopher-lua/ast"
)

const (
	// maxListItems is how many list items a constructor may have: gopher-lua 1.1.2 drops the others.
	maxListItems = 511 * fieldsPerFlush
)

const tooManyItems = "a list of more than %d items: divide it, or hold it as JSON text"

// fieldsPerFlush is how many list items gopher-lua stores at once.
const fieldsPerFlush = 50

const refusedList = "a list of 50, 100, … items can't end in a call or ... that may give several values: put it in parentheses to take one"

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
