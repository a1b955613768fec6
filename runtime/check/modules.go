package check

import (
	"slices"

	"dkvrun/runtime/suite"
	"dkvrun/runtime/syntax"
)

// module is the result of require for a name.
type module struct {
	problem string   // why require fails; else empty
	globals *globals // nil if the module can't be read
	// fields are the fields of the table that the module returns, nil if they are unknown.
	fields []string
}

// require returns the module that a call of require names, or nil if the name is not a literal.
func (c *checker) require(call *syntax.Call) *module {
	if len(call.Args) != 1 {
		return nil
	}
	name, ok := call.Args[0].(*syntax.String)
	if !ok {
		return nil
	}
	if m := c.modules[name.Value]; m != nil {
		return m
	}
	m := &module{}
	c.modules[name.Value] = m // for modules that require each other
	if c.Suite && slices.Contains(suite.Modules, name.Value) || c.host.Loaded(name.Value) {
		m.globals = &globals{}
		return m
	}
	file, src, err := c.host.Module(name.Value)
	if err != nil && c.loads {
		return m
	}
	if err != nil {
		m.problem = problemOf(err)
		return m
	}
	chunk, err := syntax.Parse(src)
	if err != nil || c.host.Compiles(file, src) != nil {
		return m
	}
	s := resolve(&chunk.Block)
	m.globals = c.gather(s, &chunk.Block)
	m.fields = exports(s, &chunk.Block)
	return m
}

// loadsModules reports whether a source may define modules itself: it uses package.preload or package.loaded.
func loadsModules(b *syntax.Block) bool {
	found := false
	syntax.WalkBlock(b, func(node syntax.Node) bool {
		if index, ok := node.(*syntax.Index); ok {
			key, ok := index.Key.(*syntax.String)
			found = found || ok && (key.Value == "preload" || key.Value == "loaded")
		}
		return !found
	})
	return found
}

// exports returns the fields of the table that a module returns, or nil if they are unknown. They are known if the
// table is a local that is set once, to a table constructor, and only its fields are used.
func exports(s *scopes, b *syntax.Block) []string {
	if len(b.Stmts) == 0 {
		return nil
	}
	last, ok := b.Stmts[len(b.Stmts)-1].(*syntax.Return)
	if !ok || len(last.Values) != 1 {
		return nil
	}
	n, ok := last.Values[0].(*syntax.Name)
	if !ok {
		return nil
	}
	v := s.locals[n]
	if v == nil || v.opaque || len(v.values) != 1 {
		return nil
	}
	made, ok := v.values[0].expr.(*syntax.Table)
	if !ok {
		return nil
	}
	fields := []string{}
	for _, f := range made.Fields {
		key, ok := f.Key.(*syntax.String)
		if !ok {
			return nil
		}
		fields = append(fields, key.Value)
	}
	plain := 1 // the return
	syntax.WalkBlock(b, func(node syntax.Node) bool {
		if index, ok := node.(*syntax.Index); ok {
			object, isName := index.Object.(*syntax.Name)
			key, isNamed := index.Key.(*syntax.String)
			if isName && isNamed && s.locals[object] == v {
				plain++
				fields = append(fields, key.Value)
			}
		}
		return true
	})
	if plain != len(v.reads) {
		return nil
	}
	return fields
}
