package runtime

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// bindGlobals creates the globals. A name with a dot becomes a field of a table. The table is callable if a builtin
// has its name.
func (h *Host) bindGlobals(builtins []Builtin) {
	L := h.main
	spaces := map[string]*lua.LTable{}
	for i := range builtins {
		if space, _, ok := strings.Cut(builtins[i].Name, "."); ok && spaces[space] == nil {
			t, isTable := h.globals.RawGetString(space).(*lua.LTable)
			if !isTable {
				t = L.CreateTable(0, 0)
				t.Metatable = h.namespaceMetatable(space, t)
			}
			spaces[space] = t
			h.globals.RawSetString(space, t)
		}
	}
	for i := range builtins {
		b := &builtins[i]
		space, field, nested := strings.Cut(b.Name, ".")
		switch {
		case nested:
			spaces[space].RawSetString(field, h.bindFunction(b, 0))
		case spaces[b.Name] != nil:
			spaces[b.Name].Metatable.(*lua.LTable).RawSetString("__call", h.bindFunction(b, 1))
		default:
			h.globals.RawSetString(b.Name, h.bindFunction(b, 0))
		}
	}
}

// namespaceMetatable returns a metatable that refuses unknown fields of a table of builtins.
func (h *Host) namespaceMetatable(name string, t *lua.LTable) *lua.LTable {
	mt := h.main.CreateTable(0, 3)
	mt.RawSetString("__metatable", lua.LString(name))
	mt.RawSetString("__index", h.main.NewFunction(func(L *lua.LState) int {
		raiseNoField(L, name, L.Get(2), stringKeys(t))
		return 0
	}))
	return mt
}

// bindFunction returns the Lua function of a builtin. It drops the first skip arguments.
func (h *Host) bindFunction(b *Builtin, skip int) *lua.LFunction {
	return h.main.NewFunction(func(L *lua.LState) int {
		return h.invoke(L, b, b.Name, nil, skip)
	})
}

// bindSourceMethod returns the Lua function of a method of records or lists.
func (h *Host) bindSourceMethod(rt *RecordType, b *Builtin) *lua.LFunction {
	name := rt.Name + ":" + b.Name
	return h.main.NewFunction(func(L *lua.LState) int {
		self := sourceOf(L.Get(1))
		if self == nil {
			raiseUsage(L, "%s: called on a %s: call it with a colon", name, typeName(L.Get(1)))
		}
		return h.invoke(L, b, name, self, 1)
	})
}

func (h *Host) bindMethod(ot *ObjectType, b *Builtin) *lua.LFunction {
	name := ot.Name + ":" + b.Name
	return h.main.NewFunction(func(L *lua.LState) int {
		self := objectOf(L.Get(1))
		if self == nil || self.ObjectType() != ot {
			raiseUsage(L, "%s: called on a %s: call it with a colon", name, typeName(L.Get(1)))
		}
		return h.invoke(L, b, name, self, 1)
	})
}
