package check

import (
	"dkvrun/runtime"
	"dkvrun/runtime/syntax"
)

// field reports a field that is read, perhaps to be called, where there is none.
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

// libraryField is a field of a global that is a library, Lua's own or of builtins.
func (c *checker) libraryField(library string, key *syntax.String, called bool) {
	switch {
	case library == "_G":
		c.readGlobal(key.Span, key.Value)
	case c.globals.names[library] || c.globals.fields[key.Value]:
	case library == "assert": // a table in suites, and in the modules that they require
	default:
		if problem := c.host.UndefinedField(library, key.Value, called); problem != "" {
			c.report(key.Span, Undefined, "%s", problem)
		}
	}
}

// member reports a field or method that a value of that shape does not have.
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
	case c.globals.fields[key.Value]: // a script may set fields of its own in all others
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

// members are the fields and methods of a shape, and what errors call it.
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
	}
	return owner, names
}

// write reports a field that is set in an object.
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
