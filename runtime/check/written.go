package check

import (
	"dkvrun/runtime"
	"dkvrun/runtime/syntax"
)

// written is an argument or a table's field as runtime.Refusals takes it. Only the last one of a list
// can give several values.
func (c *checker) written(e syntax.Expr, last bool) any {
	switch e := e.(type) {
	case *syntax.Nil:
		return nil
	case *syntax.Boolean:
		return e.Value
	case *syntax.Number:
		return e.Value
	case *syntax.String:
		return e.Value
	case *syntax.Function:
		return runtime.WrittenFunction
	case *syntax.Paren:
		return c.written(e.Inner, false)
	case *syntax.Unary:
		if n, ok := e.Operand.(*syntax.Number); ok && e.Operator == "-" {
			return -n.Value
		}
	case *syntax.Name:
		return c.constant(e)
	case *syntax.Table:
		return c.writtenTable(e)
	}
	if last && several(e) {
		return runtime.Unknowns
	}
	return runtime.Unknown
}

// constant is the value of a local that is set once, to text, a number or a boolean.
func (c *checker) constant(n *syntax.Name) any {
	v := c.scopes.locals[n]
	if v == nil || v.opaque || len(v.values) != 1 {
		return runtime.Unknown
	}
	switch e := v.values[0].expr.(type) {
	case *syntax.Boolean, *syntax.Number, *syntax.String, *syntax.Unary:
		return c.written(e, false)
	}
	return runtime.Unknown
}

func (c *checker) writtenTable(t *syntax.Table) runtime.WrittenTable {
	written := runtime.WrittenTable{}
	for i, f := range t.Fields {
		field := runtime.WrittenField{Value: c.written(f.Value, f.Key == nil && i == len(t.Fields)-1)}
		if f.Key != nil {
			field.Key = runtime.Unknown
			switch f.Key.(type) {
			case *syntax.String, *syntax.Number, *syntax.Boolean:
				field.Key = c.written(f.Key, false)
			}
		}
		written = append(written, field)
	}
	return written
}

// table reports a key that stands twice in a table.
func (c *checker) table(t *syntax.Table) {
	seen := map[any]bool{}
	for i, f := range c.writtenTable(t) {
		if f.Key == nil || f.Key == runtime.Unknown {
			continue
		}
		if seen[f.Key] {
			c.report(t.Fields[i].Key.Spans(), Duplicate, "%v is given twice in this table: the last one counts", f.Key)
		}
		seen[f.Key] = true
	}
}
