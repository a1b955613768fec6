package check

import (
	"strings"

	"dkvrun/runtime"
	"dkvrun/runtime/syntax"
)

// shape is the inferred type of a value: one of object, record, builtin, module and root, or items alone for a list.
type shape struct {
	object  *runtime.ObjectType
	record  *runtime.RecordType
	items   *shape // the type of a list's items; the list may have fields, too
	builtin *runtime.Builtin
	owner   string // the object's name, if builtin is a method
	module  *module
	name    string // the module's
	root    string // assert or match
	path    string // the names after root
}

// shapeNamed returns the shape for a type's name in declarations, or nil.
func (c *checker) shapeNamed(name string) *shape {
	if name == "" {
		return nil
	}
	if s, ok := c.named[name]; ok {
		return s
	}
	s := &shape{}
	c.named[name] = s
	if list, item, ok := strings.Cut(name, " of "); ok {
		s.items = c.shapeNamed(item)
		name = list
	}
	for _, o := range c.Objects {
		if o.Name == name {
			s.object, s.items = o, c.shapeNamed(o.ItemType)
		}
	}
	for _, r := range c.Records {
		if r.Name == name {
			s.record = r
		}
	}
	return s
}

// shapeOf returns the shape of an expression's value, or nil if it is unknown.
func (c *checker) shapeOf(e syntax.Expr) *shape {
	switch e := e.(type) {
	case *syntax.Paren:
		return c.shapeOf(e.Inner)
	case *syntax.Name:
		if v := c.scopes.locals[e]; v != nil {
			return c.shapeOfVariable(v)
		}
		if s := c.suiteGlobal(e.Text); s != nil {
			return s
		}
		return c.builtin(e.Text)
	case *syntax.Index:
		return c.shapeOfField(e)
	case *syntax.Call:
		return c.shapeOfCall(e)
	}
	return nil
}

// builtin returns the shape of a global builtin, or nil if there is none or the source sets that global.
func (c *checker) builtin(name string) *shape {
	space, _, _ := strings.Cut(name, ".")
	if c.globals.names[space] {
		return nil
	}
	for i := range c.Builtins {
		if b := &c.Builtins[i]; b.Name == name {
			return &shape{builtin: b}
		}
	}
	return nil
}

func (c *checker) shapeOfField(e *syntax.Index) *shape {
	key, named := e.Key.(*syntax.String)
	if n, ok := e.Object.(*syntax.Name); ok && named && c.scopes.locals[n] == nil && c.suiteGlobal(n.Text) == nil {
		return c.builtin(n.Text + "." + key.Value)
	}
	s := c.shapeOf(e.Object)
	switch {
	case s == nil:
		return nil
	case s.root != "" && named:
		return c.longer(s, key)
	case !named && (s.object == nil && s.record == nil || c.isNumber(e.Key)):
		return s.items
	case !named:
		return nil
	case s.object != nil:
		for i := range s.object.Methods {
			if m := &s.object.Methods[i]; m.Name == key.Value {
				return &shape{builtin: m, owner: s.object.Name}
			}
		}
		return c.shapeNamed(fieldType(s.object.Fields, key.Value))
	case s.record != nil && !c.globals.fields[key.Value]:
		for i := range s.record.Methods {
			if m := &s.record.Methods[i]; m.Name == key.Value {
				return &shape{builtin: m, owner: s.record.Name}
			}
		}
		return c.shapeNamed(fieldType(s.record.Fields, key.Value))
	}
	return nil
}

// isNumber reports whether an expression is certainly a number.
func (c *checker) isNumber(e syntax.Expr) bool {
	switch e := e.(type) {
	case *syntax.Number:
		return true
	case *syntax.Unary:
		return e.Operator != "not"
	case *syntax.Binary:
		return strings.Contains("+-*/%^", e.Operator)
	case *syntax.Name:
		v := c.scopes.locals[e]
		return v != nil && v.counts && len(v.values) == 0
	}
	return false
}

func fieldType(fields []runtime.Field, name string) string {
	for _, f := range fields {
		if f.Name == name {
			return f.Type
		}
	}
	return ""
}

func (c *checker) shapeOfCall(call *syntax.Call) *shape {
	if call.Method != nil {
		if m := c.method(call); m != nil {
			if s := c.shapeOf(call.Callee); s.record != nil && s.record.Name == m.ReturnType {
				return s // the value itself, with the type of its items
			}
			return c.shapeNamed(m.ReturnType)
		}
		return nil
	}
	if n, ok := call.Callee.(*syntax.Name); ok && c.scopes.locals[n] == nil && !c.globals.names[n.Text] {
		switch n.Text {
		case "assert":
			if len(call.Args) > 0 {
				return c.shapeOf(call.Args[0])
			}
		case "require":
			if s := c.suiteModule(call); s != nil {
				return s
			}
			if m := c.require(call); m != nil && m.fields != nil {
				return &shape{module: m, name: call.Args[0].(*syntax.String).Value}
			}
		case "args":
			return scriptOptions(call)
		}
	}
	s := c.shapeOf(call.Callee)
	switch {
	case s == nil:
	case s.builtin != nil:
		return c.shapeNamed(s.builtin.ReturnType)
	case s.root == "assert" && s.path == "" && len(call.Args) > 0:
		return c.shapeOf(call.Args[0])
	case s.root != "":
		if on, _ := c.wordCall(s, call); on {
			return &shape{root: s.root}
		}
	}
	return nil
}

// scriptOptions returns the shape of the result of args{…}, or nil if not all names are literals.
func scriptOptions(call *syntax.Call) *shape {
	if len(call.Args) == 0 {
		return nil
	}
	t, ok := call.Args[0].(*syntax.Table)
	if !ok {
		return nil
	}
	r := &runtime.RecordType{Name: "args"}
	for _, f := range t.Fields {
		key, ok := f.Key.(*syntax.String)
		if !ok {
			return nil
		}
		r.Fields = append(r.Fields, runtime.Field{Name: key.Value})
	}
	return &shape{record: r}
}

// method returns the declaration of the method that is called, or nil if it is unknown.
func (c *checker) method(call *syntax.Call) *runtime.Builtin {
	s := c.shapeOf(call.Callee)
	if s == nil {
		return nil
	}
	methods := s.methods()
	for i := range methods {
		if m := &methods[i]; m.Name == call.Method.Value {
			return m
		}
	}
	return nil
}

// methods returns the declarations of the methods that values of the shape have.
func (s *shape) methods() []runtime.Builtin {
	switch {
	case s.object != nil:
		return s.object.Methods
	case s.record != nil:
		return s.record.Methods
	}
	return nil
}

// shapeOfVariable returns the shape that all values of a variable have, or nil.
func (c *checker) shapeOfVariable(v *variable) *shape {
	if s, ok := c.shapes[v]; ok {
		return s
	}
	c.shapes[v] = nil
	var found *shape
	if v.opaque {
		if found = c.shapeOfItems(v.loop); found == nil {
			return nil
		}
		c.shapes[v] = found
	}
	for _, assigned := range v.values {
		if _, isNil := assigned.expr.(*syntax.Nil); isNil || assigned.expr == nil {
			continue
		}
		s := c.shapeOf(assigned.expr)
		if assigned.later || s == nil || found != nil && *found != *s {
			c.shapes[v] = nil
			return nil
		}
		found = s
		c.shapes[v] = s // later values may use the variable itself
	}
	return found
}

// shapeOfItems returns the shape of the second values that ipairs(list) or pairs(list) yields.
func (c *checker) shapeOfItems(loop syntax.Expr) *shape {
	call, ok := loop.(*syntax.Call)
	if !ok || len(call.Args) != 1 || !isGlobal(c.scopes, call.Callee, "ipairs") && !isGlobal(c.scopes, call.Callee, "pairs") {
		return nil
	}
	if s := c.shapeOf(call.Args[0]); s != nil {
		return s.items
	}
	return nil
}

// field reports a field that is read or called but does not exist.
func (c *checker) field(e *syntax.Index, called bool) {
	key, ok := e.Key.(*syntax.String)
	if !ok {
		return
	}
	if n, ok := e.Object.(*syntax.Name); ok && c.scopes.locals[n] == nil {
		c.libraryField(n.Text, key, called)
		return
	}
	c.member(c.shapeOf(e.Object), key)
}

// libraryField checks a field of a global that may be a library of Lua or of builtins.
func (c *checker) libraryField(library string, key *syntax.String, called bool) {
	switch {
	case library == "_G":
		c.readGlobal(key.Span, key.Value)
	case c.globals.names[library] || c.globals.fields[key.Value]:
	case library == "assert": // a table in suites and in the modules that they require
	default:
		if problem := c.host.UndefinedField(library, key.Value, called); problem != "" {
			c.report(key.Span, Undefined, "%s", problem)
		}
	}
}

// member reports a field or method that values of a shape do not have.
func (c *checker) member(s *shape, key *syntax.String) {
	if s == nil {
		return
	}
	owner, names := members(s)
	for _, name := range names {
		if name == key.Value {
			return
		}
	}
	switch {
	case s.object != nil:
	case c.globals.fields[key.Value]: // only objects are read-only
		return
	case s.record == nil && s.items != nil:
		item, fields := members(s.items)
		for _, name := range fields {
			if name == key.Value {
				c.report(key.Span, NoField, "list: no field %s: each %s in it has one", key.Value, item)
			}
		}
		return
	case s.record == nil:
		return
	}
	c.report(key.Span, NoField, "%s", runtime.UndefinedMember(owner, key.Value, names))
}

// members returns the fields and methods of a shape, and its name in errors.
func members(s *shape) (owner string, names []string) {
	switch {
	case s.object != nil:
		owner = s.object.Name
		for _, f := range s.object.Fields {
			names = append(names, f.Name)
		}
		for _, m := range s.object.Methods {
			names = append(names, m.Name)
		}
	case s.record != nil:
		owner = s.record.Name
		for _, f := range s.record.Fields {
			names = append(names, f.Name)
		}
		for _, m := range s.record.Methods {
			names = append(names, m.Name)
		}
	}
	return owner, names
}

// write reports an assignment to a field of an object, which is read-only.
func (c *checker) write(target syntax.Expr) {
	e, ok := target.(*syntax.Index)
	if !ok {
		return
	}
	key, ok := e.Key.(*syntax.String)
	if s := c.shapeOf(e.Object); ok && s != nil && s.object != nil {
		c.report(key.Span, NoField, "%s: %s can't be set: it is read-only", s.object.Name, key.Value)
	}
}
