package runtime

import (
	"dkvrun/runtime/lualib"
	"fmt"

	lua "github.com/yuin/gopher-lua"
)

// shape is the Go form of a table: a record, a list with a type, or any table if both are nil.
type shape struct {
	record *RecordType
	list   *List
	// origin is the record that the table was made from, if it has a Source. The table lacks the fields that are
	// watched: they are read from origin.
	origin *Record
	// dict is true for the table of a Dict.
	dict bool
}

// shapeKey is the key of the shape in the metatables of records and lists.
const shapeKey = "__shape"

func shapeOf(t *lua.LTable) shape {
	if mt, ok := t.Metatable.(*lua.LTable); ok {
		if ud, ok := mt.RawGetString(shapeKey).(*lua.LUserData); ok {
			return ud.Value.(shape)
		}
	}
	return shape{}
}

func (c *converter) typedListToLua(l List, depth int) (*lua.LTable, error) {
	t, err := c.listToLua(l.Items, depth)
	if err != nil {
		return nil, err
	}
	rt := l.Type
	if rt == nil {
		rt = &plainList
	}
	mt := c.newMetatable(rt.Name, shape{list: &List{Type: l.Type, Values: l.Values, String: l.String, Source: l.Source}})
	methods := c.recordMethods(rt)
	mt.RawSetString("__index", c.main.NewFunction(func(L *lua.LState) int {
		key := L.Get(2)
		if key.Type() == lua.LTNumber {
			L.Push(lua.LNil)
			return 1
		}
		if m := methods[key.String()]; m != nil {
			L.Push(m)
			return 1
		}
		requireField(L, rt, key)
		if f := rt.watched(key.String()); f != nil && l.Source != nil {
			f.OnRead(l.Source)
		}
		v, err := c.toLua(l.Values[key.String()])
		if err != nil {
			raiseUsage(L, "%s.%s: %v", rt.Name, key, err)
		}
		L.Push(v)
		return 1
	}))
	t.Metatable = mt
	return t, nil
}

func (c *converter) dictToLua(d Dict, depth int) (*lua.LTable, error) {
	t, err := c.mapToLua(d.Values, depth)
	if err != nil {
		return nil, err
	}
	mt := c.newMetatable(d.Name, shape{dict: true})
	mt.RawSetString("__index", c.main.NewFunction(func(L *lua.LState) int {
		raiseNoField(L, d.Name, L.Get(2), stringKeys(L.CheckTable(1)))
		return 0
	}))
	t.Metatable = mt
	return t, nil
}

var plainList = RecordType{Name: "list"}

func (c *converter) newMetatable(name string, s shape) *lua.LTable {
	mt := c.main.CreateTable(1, 5) // one list item: see recordToLua
	ud := c.main.NewUserData()
	ud.Value = s
	mt.RawSetString(shapeKey, ud)
	mt.RawSetString("__metatable", lua.LString(name))
	mt.RawSetString("__tostring", c.showFunction)
	return mt
}

// watched returns a field whose reading is noticed, or nil.
func (rt *RecordType) watched(name string) *Field {
	for i := range rt.Fields {
		if f := &rt.Fields[i]; f.Name == name && f.OnRead != nil {
			return f
		}
	}
	return nil
}

// sourceOf returns the object behind a value: the value itself, or the Source of a record or list; nil if there is
// none.
func sourceOf(v lua.LValue) Object {
	t, ok := v.(*lua.LTable)
	if !ok {
		return objectOf(v)
	}
	if r, ok := lazyRecord(t); ok {
		return r.Source
	}
	switch s := shapeOf(t); {
	case s.list != nil:
		return s.list.Source
	case s.origin != nil:
		return s.origin.Source
	}
	return nil
}

// requireField raises an error unless rt declares the field.
func requireField(L *lua.LState, rt *RecordType, key lua.LValue) {
	names := make([]string, len(rt.Fields), len(rt.Fields)+len(rt.Methods))
	for i, f := range rt.Fields {
		if lua.LString(f.Name) == key {
			return
		}
		names[i] = f.Name
	}
	for _, m := range rt.Methods {
		names = append(names, m.Name)
	}
	raise(L, noField(L, rt.Name, key, names))
}

// raiseNoField raises a noField error.
func raiseNoField(L *lua.LState, owner string, key lua.LValue, names []string) {
	raise(L, noField(L, owner, key, names))
}

// noField returns the error for a field that a value doesn't have.
func noField(L *lua.LState, owner string, key lua.LValue, names []string) *Error {
	if key.Type() != lua.LTString {
		return usageError(L, "%s: no field [%s]", owner, textOf(L, key))
	}
	return usageError(L, "%s", noFieldMessage(owner, key.String(), names))
}

// noFieldMessage returns the message for a field that owner doesn't have. It names the reason, a similar name, or the
// known names.
func noFieldMessage(owner, field string, names []string) string {
	if why := lualib.UnavailableReason(owner + "." + field); why != "" {
		return owner + "." + field + " is not available in runbooks: " + why
	}
	return owner + ": no field " + field + hint(field, names)
}

// hint completes a message about an unknown name. It names a similar name, or all names if they are few.
func hint(word string, names []string) string {
	if near := Suggest(word, names); near != "" {
		return fmt.Sprintf(": did you mean %s?", near)
	}
	if len(names) > 0 && len(names) <= 20 {
		return ": there is " + joinWords(names, "and")
	}
	return ""
}
