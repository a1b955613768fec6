package check

import (
	"maps"
	"slices"

	"dkvrun/runtime/suite"
	"dkvrun/runtime/syntax"
)

// globals are the global names and the fields that a source and its modules define.
type globals struct {
	names map[string]bool
	// fields are the names that are set as a field anywhere, or are a key in a table constructor.
	fields map[string]bool
	// open is set if the source may define more, for example with load.
	open bool
	// registered are the assertions, matchers and modifiers that a suite registers.
	registered []registration
}

func (g *globals) add(other *globals) {
	maps.Copy(g.names, other.names)
	maps.Copy(g.fields, other.fields)
	g.open = g.open || other.open
	g.registered = append(g.registered, other.registered...)
}

// gather returns the globals and fields that a block and the modules that it requires define.
func (c *checker) gather(s *scopes, b *syntax.Block) *globals {
	g := &globals{names: map[string]bool{}, fields: map[string]bool{}}
	for _, w := range s.writes {
		g.names[w.Text] = true
	}
	closed := map[syntax.Node]bool{} // uses of _G that define nothing unknown
	syntax.WalkBlock(b, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Assign:
			for _, t := range n.Targets {
				if index, ok := t.(*syntax.Index); ok {
					g.set(s, index)
				}
			}
		case *syntax.Table:
			for _, f := range n.Fields {
				if key, ok := f.Key.(*syntax.String); ok {
					g.fields[key.Value] = true
				}
			}
		case *syntax.Index:
			if _, ok := n.Key.(*syntax.String); ok {
				closed[n.Object] = true
			}
		case *syntax.Call:
			c.defines(g, s, n, closed)
			g.registers(n)
		case *syntax.Name:
			if isGlobal(s, n, "_G") && !closed[n] {
				g.open = true
			}
		}
		return true
	})
	return g
}

// set adds the field or global that an assignment sets.
func (g *globals) set(s *scopes, target *syntax.Index) {
	key, ok := target.Key.(*syntax.String)
	switch {
	case ok && isGlobal(s, target.Object, "_G"):
		g.names[key.Value] = true
	case ok:
		g.fields[key.Value] = true
	}
}

// defines adds what a call of require, load, rawset and similar functions may define.
func (c *checker) defines(g *globals, s *scopes, call *syntax.Call, closed map[syntax.Node]bool) {
	callee, ok := call.Callee.(*syntax.Name)
	if !ok || call.Method != nil || s.locals[callee] != nil {
		return
	}
	var key *syntax.String
	if len(call.Args) > 1 {
		key, _ = call.Args[1].(*syntax.String)
	}
	switch callee.Text {
	case "load", "loadstring", "setfenv":
		g.open = true
	case "rawget":
		if key != nil {
			closed[call.Args[0]] = true
		}
	case "rawset":
		if key == nil {
			break
		}
		g.fields[key.Value] = true
		if isGlobal(s, call.Args[0], "_G") {
			closed[call.Args[0]] = true
			g.names[key.Value] = true
		}
	case "require":
		if m := c.require(call); m != nil && m.globals != nil {
			g.add(m.globals)
		} else {
			g.open = true
		}
	}
}

// isGlobal reports whether an expression is the global of that name.
func isGlobal(s *scopes, e syntax.Expr, text string) bool {
	n, ok := e.(*syntax.Name)
	return ok && n.Text == text && s.locals[n] == nil
}

// undefined reports globals that are read but not defined.
func (c *checker) undefined() {
	for _, n := range c.scopes.reads {
		c.readGlobal(n.Span, n.Text)
	}
}

func (c *checker) readGlobal(at syntax.Span, name string) {
	names := slices.Collect(maps.Keys(c.globals.names))
	if c.Suite {
		names = append(names, suite.Globals...)
	}
	if slices.Contains(names, name) {
		return
	}
	problem := c.host.Undefined(name, names)
	// If the source may define more, only a near miss of a known name is certain.
	if problem != "" && !(c.globals.open && problem == "undefined global "+name) {
		c.report(at, Undefined, "%s", problem)
	}
}
