package check

import (
	"errors"
	"slices"

	"dkvrun/runtime"
	"dkvrun/runtime/syntax"
)

// call checks one call: what is called, and with what.
func (c *checker) call(call *syntax.Call) {
	c.ambiguous(call)
	if call.Method != nil {
		if m := c.method(call); m != nil {
			owner := c.shapeOf(call.Callee).object.Name
			c.arguments(m, owner+":"+m.Name, call, call.Args)
			return
		}
		c.member(c.shapeOf(call.Callee), call.Method)
		c.register(c.shapeOf(call.Callee), call)
		return
	}
	if isGlobal(c.scopes, call.Callee, "require") {
		if m := c.require(call); m != nil && m.problem != "" && !c.returns() {
			c.report(call.Args[0].Spans(), Module, "%s", m.problem)
		}
		return
	}
	c.moduleCall(call)
	s := c.shapeOf(call.Callee)
	switch {
	case s != nil && s.root != "":
		if _, problem := c.wordCall(s, call); problem != "" {
			c.report(lastName(call.Callee), Misuse, "%s", problem)
		}
	case s == nil || s.builtin == nil:
	case s.owner == "":
		c.arguments(s.builtin, s.builtin.Name, call, call.Args)
	case c.typeOf(call.Args) != "":
		c.report(nameOf(call), Misuse, "%s:%s: called on a %s: call it with a colon", s.owner, s.builtin.Name, c.typeOf(call.Args))
	default:
		c.arguments(s.builtin, s.owner+":"+s.builtin.Name, call, call.Args[1:])
	}
}

// typeOf is the type of the first argument where it is known to be no object.
func (c *checker) typeOf(args []syntax.Expr) string {
	if len(args) == 0 {
		return "nil"
	}
	value := c.written(args[0], false)
	if value == runtime.FunctionLiteral {
		return "function"
	}
	switch value.(type) {
	case nil:
		return "nil"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case runtime.TableLiteral:
		return "table"
	}
	return ""
}

// returns tells whether the source ends with a return, as modules do. What a module requires is looked
// for in the folder of the script that requires it, which is not known.
func (c *checker) returns() bool {
	n := len(c.chunk.Stmts)
	if n == 0 {
		return false
	}
	_, ok := c.chunk.Stmts[n-1].(*syntax.Return)
	return ok
}

// moduleCall reports the call of a function that a module does not have.
func (c *checker) moduleCall(call *syntax.Call) {
	index, ok := call.Callee.(*syntax.Index)
	if !ok {
		return
	}
	key, ok := index.Key.(*syntax.String)
	if !ok || c.globals.fields[key.Value] {
		return
	}
	s := c.shapeOf(index.Object)
	if s != nil && s.module != nil && !slices.Contains(s.module.fields, key.Value) {
		c.report(key.Span, Undefined, "%s", runtime.UndefinedMember(s.name, key.Value, s.module.fields))
	}
}

// arguments reports what a run would refuse of a call's arguments.
func (c *checker) arguments(b *runtime.Builtin, name string, call *syntax.Call, args []syntax.Expr) {
	written := make([]any, len(args))
	for i, a := range args {
		written[i] = c.written(a, i == len(args)-1)
	}
	for _, r := range c.host.CheckCall(b, name, written) {
		c.report(refused(r, call, args), Misuse, "%s", r.Message)
	}
}

// refused is the place that a refusal is about.
func refused(r runtime.CallError, call *syntax.Call, args []syntax.Expr) syntax.Span {
	if r.Argument < 0 || r.Argument >= len(args) {
		return nameOf(call)
	}
	arg := args[r.Argument]
	t, ok := arg.(*syntax.Table)
	if !ok || r.Field < 0 {
		return arg.Spans()
	}
	if f := t.Fields[r.Field]; r.Key {
		return f.Key.Spans()
	}
	return t.Fields[r.Field].Value.Spans()
}

// nameOf is where a call names what it calls.
func nameOf(call *syntax.Call) syntax.Span {
	if call.Method != nil {
		return call.Method.Span
	}
	return call.Callee.Spans()
}

// lastName is where a callee has its last name.
func lastName(callee syntax.Expr) syntax.Span {
	if index, ok := callee.(*syntax.Index); ok {
		return index.Key.Spans()
	}
	return callee.Spans()
}

// ambiguous reports a bracket that begins a line and calls what the line before ends with.
func (c *checker) ambiguous(call *syntax.Call) {
	end := nameOf(call).End
	bracket := len(call.Args) == 0 || call.Args[0].Spans().Start != call.Open
	if bracket && c.lines.Number(call.Open) > c.lines.Number(end) {
		c.report(syntax.Span{Start: call.Open, End: call.Open + 1}, Ambiguous, "this ( calls what the line before ends with").Hint =
			"end that line with a semicolon if a new statement is meant, else pull the ( up"
	}
}

func problemOf(err error) string {
	var e *runtime.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

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
		return runtime.FunctionLiteral
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
		return runtime.UnknownList
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

func (c *checker) writtenTable(t *syntax.Table) runtime.TableLiteral {
	written := runtime.TableLiteral{}
	for i, f := range t.Fields {
		field := runtime.FieldLiteral{Value: c.written(f.Value, f.Key == nil && i == len(t.Fields)-1)}
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
