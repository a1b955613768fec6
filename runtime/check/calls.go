package check

import (
	"errors"
	"slices"

	"dkvrun/runtime"
	"dkvrun/runtime/syntax"
)

// call checks the callee and the arguments of a call.
func (c *checker) call(call *syntax.Call) {
	c.ambiguous(call)
	if call.Method != nil {
		if m := c.method(call); m != nil {
			owner, _ := members(c.shapeOf(call.Callee))
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

// typeOf returns the type of the first argument, or "" if it is unknown or may be an object.
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

// returns reports whether the source ends with a return statement, as modules do. require looks in the folder of the
// script that requires the module, which is not known here.
func (c *checker) returns() bool {
	n := len(c.chunk.Stmts)
	if n == 0 {
		return false
	}
	_, ok := c.chunk.Stmts[n-1].(*syntax.Return)
	return ok
}

// moduleCall reports a call of a function that a module does not have.
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

// arguments reports the arguments that a run would refuse.
func (c *checker) arguments(b *runtime.Builtin, name string, call *syntax.Call, args []syntax.Expr) {
	written := make([]any, len(args))
	for i, a := range args {
		written[i] = c.written(a, i == len(args)-1)
	}
	for _, r := range c.host.CheckCall(b, name, written) {
		c.report(refused(r, call, args), Misuse, "%s", r.Message)
	}
}

// refused returns the argument, field or key that a refusal is about.
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

// nameOf returns the span of the name that is called.
func nameOf(call *syntax.Call) syntax.Span {
	if call.Method != nil {
		return call.Method.Span
	}
	return call.Callee.Spans()
}

// lastName returns the span of the last name of a callee such as a.b.c.
func lastName(callee syntax.Expr) syntax.Span {
	if index, ok := callee.(*syntax.Index); ok {
		return index.Key.Spans()
	}
	return callee.Spans()
}

// ambiguous reports a parenthesis that begins a line and continues the expression of the line before as a call.
func (c *checker) ambiguous(call *syntax.Call) {
	end := nameOf(call).End
	bracket := len(call.Args) == 0 || call.Args[0].Spans().Start != call.Open
	if bracket && c.lines.Number(call.Open) > c.lines.Number(end) {
		c.report(syntax.Span{Start: call.Open, End: call.Open + 1}, Ambiguous, "this ( continues the line before as a call").Hint =
			"if a new statement is meant, end the line before with a semicolon; if a call is meant, move the ( to its end"
	}
}

func problemOf(err error) string {
	var e *runtime.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

// written returns an argument or a table's field in the form that Host.CheckCall takes. Only the last one of a list
// can have several values.
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

// constant returns the value of a local that is set once, to a string, a number or a boolean, else Unknown.
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

// table reports a key that a table constructor has twice.
func (c *checker) table(t *syntax.Table) {
	seen := map[any]bool{}
	for i, f := range c.writtenTable(t) {
		if f.Key == nil || f.Key == runtime.Unknown {
			continue
		}
		if seen[f.Key] {
			c.report(t.Fields[i].Key.Spans(), Duplicate, "duplicate key %v: the last value is used", f.Key)
		}
		seen[f.Key] = true
	}
}
