package runtime

import (
	lua "github.com/yuin/gopher-lua"
)

// The table of a record is lazy at first: it is empty, and its metatable reads fields from the Go values. Filling a
// table of ten fields takes 8 µs, and scripts never read most fields of most records. The table is filled before an
// operation that would see the difference: a write, an iteration, a nested table.

// recordMetatables holds the metatables of one RecordType. The metatable of a lazy table is a copy of lazy with the
// Record at recordSlot.
type recordMetatables struct{ lazy, plain *lua.LTable }

const recordSlot = 2

func (c *converter) recordToLua(r Record) *lua.LTable {
	t := c.main.CreateTable(0, 0)
	mt := *c.recordMetatables(r.Type).lazy // the copy shares the names; its list is full, so that growing copies it
	mt.RawSetInt(recordSlot, &lua.LUserData{Value: r, Metatable: lua.LNil})
	t.Metatable = &mt
	return t
}

// lazyRecord returns the record behind a lazy table.
func lazyRecord(t *lua.LTable) (Record, bool) {
	if mt, ok := t.Metatable.(*lua.LTable); ok {
		if ud, ok := mt.RawGetInt(recordSlot).(*lua.LUserData); ok {
			r, ok := ud.Value.(Record)
			return r, ok
		}
	}
	return Record{}, false
}

// materialize fills a lazy table with its fields. Other tables stay as they are.
func (c *converter) materialize(t *lua.LTable) error {
	r, ok := lazyRecord(t)
	if !ok {
		return nil
	}
	for _, name := range r.names() {
		if r.Source != nil && r.Type.watched(name) != nil {
			continue
		}
		v, err := c.toLua(r.Value(name))
		if err != nil {
			return err
		}
		if v != lua.LNil {
			t.RawSetString(name, v)
		}
	}
	if r.Source != nil {
		t.Metatable = c.watchedMetatable(&r)
		return nil
	}
	t.Metatable = c.recordMetatables(r.Type).plain
	return nil
}

// watchedMetatable returns the metatable of a table that was filled from a record with a Source.
func (c *converter) watchedMetatable(r *Record) *lua.LTable {
	mt := c.newMetatable(r.Type.Name, shape{record: r.Type, origin: r})
	mt.RawSetString("__index", c.main.NewFunction(func(L *lua.LState) int {
		v := c.watchedField(L, r, L.Get(2))
		if v == nil {
			requireField(L, r.Type, L.Get(2))
			v = lua.LNil
		}
		L.Push(v)
		return 1
	}))
	return mt
}

// watchedField returns a method, or a watched field, of a record with a Source; nil for any other name.
func (c *converter) watchedField(L *lua.LState, r *Record, key lua.LValue) lua.LValue {
	name, ok := key.(lua.LString)
	if !ok {
		return nil
	}
	if m := c.recordMethods(r.Type)[string(name)]; m != nil {
		return m
	}
	f := r.Type.watched(string(name))
	if f == nil {
		return nil
	}
	f.OnRead(r.Source)
	return c.mustToLua(L, r.Type.Name+"."+f.Name, r.Value(f.Name))
}

// complete gives a table the watched fields that it lacks, which counts as reading them.
func (c *converter) complete(L *lua.LState, t *lua.LTable) {
	r := shapeOf(t).origin
	if r == nil {
		return
	}
	for _, f := range r.Type.Fields {
		if f.OnRead != nil && t.RawGetString(f.Name) == lua.LNil {
			t.RawSetString(f.Name, c.watchedField(L, r, lua.LString(f.Name)))
		}
	}
}

// recordMethods returns the methods of a type of records or lists by name.
func (c *converter) recordMethods(rt *RecordType) map[string]*lua.LFunction {
	if len(rt.Methods) == 0 {
		return nil
	}
	methods := c.methods[rt]
	if methods == nil {
		methods = make(map[string]*lua.LFunction, len(rt.Methods))
		c.methods[rt] = methods
		for i := range rt.Methods {
			methods[rt.Methods[i].Name] = c.sourceMethod(rt, &rt.Methods[i])
		}
	}
	return methods
}

func (c *converter) mustMaterialize(L *lua.LState, t *lua.LTable) {
	if err := c.materialize(t); err != nil {
		e := usageError(L, "%s: bug in dkvrun: %v", typeName(t), err)
		e.Code, e.Hint = CodeBug, bugHint
		raise(L, e)
	}
}

func (c *converter) recordMetatables(rt *RecordType) *recordMetatables {
	if m := c.records[rt]; m != nil {
		return m
	}
	L := c.main
	m := &recordMetatables{
		lazy:  c.newMetatable(rt.Name, shape{record: rt}),
		plain: c.newMetatable(rt.Name, shape{record: rt}),
	}
	c.records[rt] = m
	m.plain.RawSetString("__index", L.NewFunction(func(L *lua.LState) int {
		requireField(L, rt, L.Get(2))
		L.Push(lua.LNil)
		return 1
	}))
	m.lazy.RawSetString("__index", L.NewFunction(func(L *lua.LState) int {
		L.Push(c.recordField(L, rt, L.CheckTable(1), L.Get(2)))
		return 1
	}))
	m.lazy.RawSetString("__newindex", L.NewFunction(func(L *lua.LState) int {
		t := L.CheckTable(1)
		c.mustMaterialize(L, t)
		L.RawSet(t, L.Get(2), L.Get(3))
		return 0
	}))
	m.lazy.Append(lua.LTrue) // fills the list: see recordToLua
	return m
}

// recordField returns a field of a lazy table.
func (c *converter) recordField(L *lua.LState, rt *RecordType, t *lua.LTable, key lua.LValue) lua.LValue {
	r, _ := lazyRecord(t)
	name, ok := key.(lua.LString)
	if !ok {
		requireField(L, rt, key)
	}
	if r.Source != nil {
		if v := c.watchedField(L, &r, key); v != nil {
			return v
		}
	}
	switch v := r.Value(string(name)).(type) {
	case nil:
		requireField(L, rt, key)
		return lua.LNil
	case string:
		return lua.LString(v)
	case bool:
		return lua.LBool(v)
	case int:
		return lua.LNumber(v)
	case float64:
		return lua.LNumber(v)
	}
	c.mustMaterialize(L, t)
	return t.RawGet(key)
}
