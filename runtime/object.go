package runtime

import (
	lua "github.com/yuin/gopher-lua"
)

// objectToLua returns a userdata for o. Two userdata for one object compare equal.
func (c *converter) objectToLua(o Object) *lua.LUserData {
	ud := c.main.NewUserData()
	ud.Value = o
	ud.Metatable = c.objectMetatable(o.ObjectType())
	return ud
}

func (c *converter) objectMetatable(ot *ObjectType) *lua.LTable {
	if mt := c.objects[ot]; mt != nil {
		return mt
	}
	L := c.main
	mt := L.CreateTable(0, 8)
	c.objects[ot] = mt
	methods := make(map[string]*lua.LFunction, len(ot.Methods))
	for i := range ot.Methods {
		b := &ot.Methods[i]
		methods[b.Name] = c.method(ot, b)
	}
	mt.RawSetString("__metatable", lua.LString(ot.Name))
	mt.RawSetString("__tostring", c.showFunction)
	mt.RawSetString("__eq", c.sameObject)
	mt.RawSetString("__index", L.NewFunction(func(L *lua.LState) int {
		L.Push(c.objectField(L, ot, methods, L.Get(1), L.Get(2)))
		return 1
	}))
	mt.RawSetString("__newindex", L.NewFunction(func(L *lua.LState) int {
		raiseUsage(L, "%s: %s can't be set: it is read-only", ot.Name, textOf(L, L.Get(2)))
		return 0
	}))
	if ot.Len != nil {
		mt.RawSetString("__len", L.NewFunction(func(L *lua.LState) int {
			L.Push(lua.LNumber(ot.Len(objectOf(L.Get(1)))))
			return 1
		}))
	}
	return mt
}

// sameObject is the __eq of all objects.
func sameObject(L *lua.LState) int {
	L.Push(lua.LBool(objectOf(L.Get(1)) == objectOf(L.Get(2))))
	return 1
}

// objectOf returns the object behind a value, or nil.
func objectOf(v lua.LValue) Object {
	if ud, ok := v.(*lua.LUserData); ok {
		o, _ := ud.Value.(Object)
		return o
	}
	return nil
}

// itemsOf returns the object behind a value if the object has items, or nil.
func itemsOf(v lua.LValue) Object {
	if o := objectOf(v); o != nil && o.ObjectType().Len != nil {
		return o
	}
	return nil
}

// objectField returns o[key]: an item, a field or a method.
func (c *converter) objectField(L *lua.LState, ot *ObjectType, methods map[string]*lua.LFunction,
	self, key lua.LValue) lua.LValue {
	o := objectOf(self)
	if n, ok := key.(lua.LNumber); ok && ot.At != nil {
		return c.objectItem(L, o, n)
	}
	name := key.String()
	if key.Type() == lua.LTString {
		if m := methods[name]; m != nil {
			return m
		}
		for _, f := range ot.Fields {
			if f.Name == name {
				return c.mustToLua(L, ot.Name+"."+name, f.Get(o))
			}
		}
	}
	names := make([]string, 0, len(ot.Fields)+len(ot.Methods))
	for _, f := range ot.Fields {
		names = append(names, f.Name)
	}
	for _, m := range ot.Methods {
		names = append(names, m.Name)
	}
	raiseNoField(L, ot.Name, key, names)
	return nil
}

// objectItem returns o[n], or nil beyond the length.
func (c *converter) objectItem(L *lua.LState, o Object, n lua.LNumber) lua.LValue {
	ot := o.ObjectType()
	i := int(n)
	if lua.LNumber(i) != n || i < 1 || i > ot.Len(o) {
		return lua.LNil
	}
	return c.mustToLua(L, ot.Name, ot.At(o, i))
}

// mustToLua converts the value of a field or an item, and raises if that fails.
func (c *converter) mustToLua(L *lua.LState, what string, v any) lua.LValue {
	lv, err := c.toLua(v)
	if err != nil {
		raiseUsage(L, "%s: %v", what, err)
	}
	return lv
}
