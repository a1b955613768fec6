package runtime

import (
	"fmt"
	"sort"

	lua "github.com/yuin/gopher-lua"
)

// maxDepth bounds how deep tables may nest when they cross between Lua and Go.
const maxDepth = 200

// converter turns values of Go into values of Lua and back, and keeps the metatables of those that it made.
type converter struct {
	main         *lua.LState
	method       func(*ObjectType, *Builtin) *lua.LFunction // makes the method of an object
	records      map[*RecordType]*recordMetatables
	objects      map[*ObjectType]*lua.LTable // metatables
	emptyMap     *lua.LTable                 // the metatable of an empty map, which would else look like a list
	showFunction *lua.LFunction              // the __tostring of records, lists and objects
	sameObject   *lua.LFunction              // the __eq of objects
}

func newConverter(main *lua.LState, method func(*ObjectType, *Builtin) *lua.LFunction) *converter {
	c := &converter{
		main: main, method: method,
		records:    map[*RecordType]*recordMetatables{},
		objects:    map[*ObjectType]*lua.LTable{},
		emptyMap:   main.CreateTable(0, 0),
		sameObject: main.NewFunction(sameObject),
	}
	c.showFunction = main.NewFunction(func(L *lua.LState) int {
		L.Push(lua.LString(c.show(L.Get(1))))
		return 1
	})
	return c
}

// toLua converts what a builtin gives: the types of Call.Value, Value, int32, int64, uint64 and any error.
func (c *converter) toLua(v any) (lua.LValue, error) { return c.toLuaAt(v, 0) }

func (c *converter) toLuaAt(v any, depth int) (lua.LValue, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("a value is nested deeper than %d, or contains itself", maxDepth)
	}
	switch v := v.(type) {
	case nil:
		return lua.LNil, nil
	case bool:
		return lua.LBool(v), nil
	case string:
		return lua.LString(v), nil
	case int:
		return lua.LNumber(v), nil
	case int32:
		return lua.LNumber(v), nil
	case int64:
		return lua.LNumber(v), nil
	case uint64:
		return lua.LNumber(v), nil
	case float64:
		return lua.LNumber(v), nil
	case []any:
		return c.listToLua(v, depth)
	case []string:
		t := c.main.CreateTable(len(v), 0)
		for _, s := range v {
			t.Append(lua.LString(s))
		}
		return t, nil
	case map[string]any:
		return c.mapToLua(v, depth)
	case mixed:
		return c.mixedToLua(v, depth)
	case Record:
		if v.Type == nil {
			return c.mapToLua(v.Values, depth)
		}
		return c.recordToLua(v), nil
	case List:
		return c.typedListToLua(v, depth)
	case Object:
		return c.objectToLua(v), nil
	case *Func:
		return v.fn, nil
	case Value:
		return v.v, nil
	case Iterator:
		return c.iteratorToLua(v), nil
	case error:
		return errorToLua(c.main, asError(v)), nil
	}
	return nil, fmt.Errorf("a %T has no form in Lua", v)
}

// iteratorToLua makes a function for the generic for. What the iterator fails with is raised at the
// place of the loop.
func (c *converter) iteratorToLua(next Iterator) *lua.LFunction {
	busy := false
	return c.main.NewFunction(func(L *lua.LState) int {
		call := &Call{Name: "iterator"}
		call.File, call.Line = place(L)
		if busy {
			raiseUsage(L, "iterator: another task is waiting for its next values: let each task have its own")
		}
		var values []any
		var err error
		busy = true
		defer func() { busy = false }()
		taskOf(L).unlocked(func() { values, err = next() })
		if err != nil {
			raise(L, call.locate(err))
		}
		for _, v := range values {
			lv, err := c.toLua(v)
			if err != nil {
				raise(L, call.bug(err.Error(), ""))
			}
			L.Push(lv)
		}
		return len(values)
	})
}

func (c *converter) listToLua(items []any, depth int) (*lua.LTable, error) {
	t := c.main.CreateTable(len(items), 0)
	for i, item := range items {
		lv, err := c.toLuaAt(item, depth+1)
		if err != nil {
			return nil, err
		}
		t.RawSetInt(i+1, lv)
	}
	return t, nil
}

func (c *converter) mapToLua(m map[string]any, depth int) (*lua.LTable, error) {
	t := c.main.CreateTable(0, len(m))
	if len(m) == 0 {
		t.Metatable = c.emptyMap
		return t, nil
	}
	for _, k := range sortedKeys(m) { // pairs goes in the order of insertion
		lv, err := c.toLuaAt(m[k], depth+1)
		if err != nil {
			return nil, err
		}
		t.RawSetString(k, lv)
	}
	return t, nil
}

func (c *converter) mixedToLua(m mixed, depth int) (*lua.LTable, error) {
	t, err := c.listToLua(m.items, depth)
	if err != nil {
		return nil, err
	}
	for i := range m.keys {
		k, err := c.toLuaAt(m.keys[i], depth+1)
		if err != nil {
			return nil, err
		}
		v, err := c.toLuaAt(m.rest[i], depth+1)
		if err != nil {
			return nil, err
		}
		t.RawSet(k, v)
	}
	return t, nil
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
