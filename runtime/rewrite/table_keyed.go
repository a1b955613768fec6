package rewrite

import "github.com/yuin/gopher-lua/ast"

// {"a", k = f()}: when the last field of a table constructor has a key and its value is a call or "...", gopher-lua
// 1.1.2 stores all values on the stack as list items, those of the field included. No upstream issue is known.
//
// cutValues cuts each value to one, as parentheses do, except a list item that is the last field.
func cutValues(fields []*ast.Field) {
	for i, f := range fields {
		if f.Key != nil || i < len(fields)-1 {
			cutToOne(f.Value)
		}
	}
}
