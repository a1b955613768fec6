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
		v, err := c.toLua(r.Value(name))
		if err != nil {
			return err
		}
		if v != lua.LNil {
			t.RawSetString(name, v)
		}
	}
	t.Metatable = c.recordMetatables(r.Type).plain
	return nil
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
