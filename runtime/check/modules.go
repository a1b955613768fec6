package check

import (
	"slices"

	"dkvrun/runtime/suite"
	"dkvrun/runtime/syntax"
)

// module is what require gives for a name.
type module struct {
	problem string   // why there is none
	globals *globals // what it defines; nil where it can't be read
	// fields are those of the table that it returns, nil where they can't be told.
	fields []string
}

// require is the module that a call of require names; nil where only a run can tell which.
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

// loadsModules tells whether a source may say itself what require gives: it has to do with package.preload
// or package.loaded.
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

// exports are the fields of the table that a module returns: of a local that begins as a table and is
// used for nothing but its fields.
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
