package runtime

import (
	"dkvrun/runtime/lualib"

	lua "github.com/yuin/gopher-lua"
)

// ipairs iterates over the list of a table, or over the items of an object.
func (b *baseLibrary) ipairs(L *lua.LState) int {
	v := L.Get(1)
	if _, ok := v.(*lua.LTable); !ok && itemsOf(v) == nil {
		badType(L, 1, "table")
	}
	L.Push(b.nextItem)
	L.Push(v)
	L.Push(lua.LNumber(0))
	return 3
}

// item is the iterator of ipairs.
func (b *baseLibrary) item(L *lua.LState) int {
	i := L.CheckInt(2) + 1
	var v lua.LValue
	if t, ok := L.Get(1).(*lua.LTable); ok {
		v = lualib.Item(t, i)
	} else {
		v = b.conv.objectItem(L, objectOf(L.Get(1)), lua.LNumber(i))
	}
	if v == lua.LNil {
		return 0
	}
	L.Push(lua.LNumber(i))
	L.Push(v)
	return 2
}

// pairs iterates over a table, over the items of an object or, if it has none, over its fields.
func (b *baseLibrary) pairs(L *lua.LState) int {
	v := L.Get(1)
	o := objectOf(v)
	switch {
	case v.Type() == lua.LTTable:
	case itemsOf(v) != nil:
		return b.ipairs(L)
	case o != nil:
		fields := L.CreateTable(0, 0)
		for _, f := range o.ObjectType().Fields {
			fields.RawSetString(f.Name, b.conv.mustToLua(L, f.Name, f.Get(o)))
		}
		v = fields
	default:
		badType(L, 1, "table")
	}
	L.Push(b.nextKey)
	L.Push(v)
	L.Push(lua.LNil)
	return 3
}

func (b *baseLibrary) next(L *lua.LState) int {
	t, ok := L.Get(1).(*lua.LTable)
	if !ok {
		badType(L, 1, "table")
	}
	b.conv.mustMaterialize(L, t)
	b.conv.complete(L, t)
	key := lua.LValue(lua.LNil)
	if L.GetTop() > 1 {
		key = L.Get(2)
	}
	k, v := t.Next(key)
	L.Push(k)
	if k == lua.LNil {
		return 1
	}
	L.Push(v)
	return 2
}

// unpack returns the items of a list or an object from one position to another.
func (b *baseLibrary) unpack(L *lua.LState) int {
	v := L.Get(1)
	t, ok := v.(*lua.LTable)
	o := itemsOf(v)
	if !ok && o == nil {
		badType(L, 1, "table")
	}
	length := 0
	if o != nil {
		length = o.ObjectType().Len(o)
	} else {
		length = lualib.Length(t)
	}
	first, last := lualib.WholeArgument(L, 2, 1), lualib.WholeArgument(L, 3, length)
	if first > last {
		return 0
	}
	if last-first+1 > lualib.MaxValues {
		raiseUsage(L, "unpack: more than %d values at once", lualib.MaxValues)
	}
	reserve(L, last-first+1)
	for i := first; i <= last; i++ {
		if o != nil {
			L.Push(b.conv.objectItem(L, o, lua.LNumber(i)))
		} else {
			L.Push(lualib.Item(t, i))
		}
	}
	return last - first + 1
}

func (b *baseLibrary) rawget(L *lua.LState) int {
	t := L.CheckTable(1)
	b.conv.mustMaterialize(L, t)
	b.conv.complete(L, t)
	L.Push(t.RawGet(L.CheckAny(2)))
	return 1
}

func (b *baseLibrary) rawset(L *lua.LState) int {
	t := L.CheckTable(1)
	b.conv.mustMaterialize(L, t)
	L.RawSet(t, L.CheckAny(2), L.CheckAny(3))
	L.SetTop(1)
	return 1
}
