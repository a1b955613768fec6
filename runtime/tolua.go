package runtime

import (
	"fmt"
	"sort"

	lua "github.com/yuin/gopher-lua"
)

// maxDepth bounds how deep tables may nest when they cross between Lua and Go.
const maxDepth = 200

// toLua converts what a builtin gives: the types of Call.Value, Value, int32, int64, uint64 and any error.
func (h *Host) toLua(v any) (lua.LValue, error) { return h.toLuaAt(v, 0) }

func (h *Host) toLuaAt(v any, depth int) (lua.LValue, error) {
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
		return h.listToLua(v, depth)
	case []string:
		t := h.main.CreateTable(len(v), 0)
		for _, s := range v {
			t.Append(lua.LString(s))
		}
		return t, nil
	case map[string]any:
		return h.mapToLua(v, depth)
	case mixed:
		return h.mixedToLua(v, depth)
	case Record:
		if v.Type == nil {
			return h.mapToLua(v.Values, depth)
		}
		return h.recordToLua(v), nil
	case List:
		return h.typedListToLua(v, depth)
	case Object:
		return h.objectToLua(v), nil
	case *Func:
		return v.fn, nil
	case Value:
		return v.v, nil
	case Iterator:
		return h.iteratorToLua(v), nil
	case error:
		return errorToLua(h.main, asError(v)), nil
	}
	return nil, fmt.Errorf("a %T has no form in Lua", v)
}

// iteratorToLua makes a function for the generic for. What the iterator fails with is raised at the
// place of the loop.
func (h *Host) iteratorToLua(next Iterator) *lua.LFunction {
	busy := false
	return h.main.NewFunction(func(L *lua.LState) int {
		c := &Call{Host: h, Name: "iterator"}
		c.File, c.Line = place(L)
		if busy {
			raiseUsage(L, "iterator: another task is waiting for its next values: let each task have its own")
		}
		var values []any
		var err error
		busy = true
		defer func() { busy = false }()
		taskOf(L).unlocked(func() { values, err = next() })
		if err != nil {
			raise(L, c.locate(err))
		}
		for _, v := range values {
			lv, err := h.toLua(v)
			if err != nil {
				raise(L, c.bug(err.Error(), ""))
			}
			L.Push(lv)
		}
		return len(values)
	})
}

func (h *Host) listToLua(items []any, depth int) (*lua.LTable, error) {
	t := h.main.CreateTable(len(items), 0)
	for i, item := range items {
		lv, err := h.toLuaAt(item, depth+1)
		if err != nil {
			return nil, err
		}
		t.RawSetInt(i+1, lv)
	}
	return t, nil
}

func (h *Host) mapToLua(m map[string]any, depth int) (*lua.LTable, error) {
	t := h.main.CreateTable(0, len(m))
	if len(m) == 0 {
		t.Metatable = h.emptyMap
		return t, nil
	}
	for _, k := range sortedKeys(m) { // pairs goes in the order of insertion
		lv, err := h.toLuaAt(m[k], depth+1)
		if err != nil {
			return nil, err
		}
		t.RawSetString(k, lv)
	}
	return t, nil
}

func (h *Host) mixedToLua(m mixed, depth int) (*lua.LTable, error) {
	t, err := h.listToLua(m.items, depth)
	if err != nil {
		return nil, err
	}
	for i := range m.keys {
		k, err := h.toLuaAt(m.keys[i], depth+1)
		if err != nil {
			return nil, err
		}
		v, err := h.toLuaAt(m.rest[i], depth+1)
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
