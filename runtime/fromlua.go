package runtime

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"

	"dkvrun/runtime/luanum"
)

// fromLua converts any value; the comment of Call.Value says to what. What has no Go form arrives as
// opaque, a table that mixes list items and other keys as mixed: both can be shown, and passed on to
// EncodeJSON, which refuses them.
func (c *converter) fromLua(v lua.LValue) any {
	value, _ := (&reader{conv: c}).read(v)
	return value
}

// show is how a value is shown to people.
func (c *converter) show(v lua.LValue) string {
	value, _ := (&reader{conv: c, parts: maxParts - maxShownParts}).read(v)
	return Format(value)
}

// fromLuaPlain converts with records, lists and objects with items, at any depth, as []any and
// map[string]any. It refuses what a program can't use: cycles, coroutines, mixed tables.
func (c *converter) fromLuaPlain(v lua.LValue) (any, error) {
	return (&reader{conv: c, plain: true}).read(v)
}

// opaque stands for a value that can only be shown.
type opaque string

// mixed is a table with list items and other keys, only to be shown.
type mixed struct {
	items []any
	keys  []any
	rest  []any
}

type reader struct {
	conv  *converter // nil for EncodeJSON, which calls no function and fills no record
	plain bool
	open  []*lua.LTable // the tables around the present one
	parts int           // how many values were read
}

// maxParts is how many values one value may hold. Tables that share tables have no end of them: thirty
// that hold the next one twice, a billion.
const maxParts = 2_000_000

// maxShownParts is how many of them are shown.
const maxShownParts = 200_000

// leftOut stands for what is nested too deep, or too much.
const leftOut = opaque("<…>")

func (r *reader) read(v lua.LValue) (any, error) {
	r.parts++
	switch v := v.(type) {
	case *lua.LNilType:
		return nil, nil
	case lua.LBool:
		return bool(v), nil
	case lua.LString:
		return string(v), nil
	case lua.LNumber:
		return luanum.ToGo(float64(v)), nil
	case *lua.LFunction:
		return &Func{v}, nil
	case *lua.LUserData:
		if o := itemsOf(v); o != nil && r.plain {
			return r.objectItems(o)
		}
		switch v.Value.(type) {
		case Object, *Error:
			return v.Value, nil
		}
	case *lua.LTable:
		return r.readTable(v)
	}
	if !r.plain {
		return opaque("<" + v.Type().String() + ">"), nil
	}
	return nil, fmt.Errorf("a %s can't be used here", v.Type())
}

func (r *reader) readTable(t *lua.LTable) (any, error) {
	if record, ok := unfilled(t); ok && !r.plain {
		return record, nil
	}
	if err := r.conv.fill(t); err != nil {
		return nil, err
	}
	for _, o := range r.open {
		if o != t {
			continue
		}
		if !r.plain {
			return opaque("<cycle>"), nil
		}
		return nil, fmt.Errorf("a table contains itself")
	}
	if r.parts > maxParts {
		if !r.plain {
			return leftOut, nil
		}
		return nil, fmt.Errorf("a table holds more than %d values, those of its tables included", maxParts)
	}
	if len(r.open) >= maxDepth {
		if !r.plain {
			return leftOut, nil
		}
		return nil, fmt.Errorf("tables are nested deeper than %d", maxDepth)
	}
	r.open = append(r.open, t)
	defer func() { r.open = r.open[:len(r.open)-1] }()

	shape := shapeOf(t)
	if list := shape.list; list != nil {
		items, err := r.items(t)
		if err != nil || r.plain {
			return items, err
		}
		return List{Items: items, Type: list.Type, Values: list.Values, String: list.String}, nil
	}
	items, err := r.items(t)
	if err != nil {
		return nil, err
	}
	m := map[string]any{}
	var others mixed
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		if n, ok := k.(lua.LNumber); ok && n >= 1 && int(n) <= len(items) && n == lua.LNumber(int(n)) {
			continue
		}
		value, err := r.read(v)
		if err != nil {
			return nil, err
		}
		if name, ok := k.(lua.LString); ok {
			m[string(name)] = value
			if len(items) == 0 {
				continue
			}
		}
		if r.plain {
			if len(items) == 0 {
				return nil, fmt.Errorf("a table has the key [%s]: want a list or names", Format(r.conv.fromLua(k)))
			}
			return nil, fmt.Errorf("a table has list items and other keys (%s): give one or the other", Format(r.conv.fromLua(k)))
		}
		key, err := r.read(k)
		if err != nil {
			return nil, err
		}
		others.keys, others.rest = append(others.keys, key), append(others.rest, value)
	}
	switch {
	case len(others.keys) > 0:
		if len(items) == 0 {
			for _, k := range sortedKeys(m) {
				others.keys, others.rest = append(others.keys, k), append(others.rest, m[k])
			}
		}
		others.items = items
		return others, nil
	case shape.record != nil && !r.plain:
		return Record{Type: shape.record, Values: m}, nil
	case len(m) > 0 || shape.record != nil || r.conv != nil && t.Metatable == r.conv.emptyMap && len(items) == 0:
		return m, nil
	}
	return items, nil
}

func (r *reader) items(t *lua.LTable) ([]any, error) {
	items := make([]any, listLength(t))
	for i := range items {
		var err error
		if items[i], err = r.read(t.RawGetInt(i + 1)); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// listLength is how many list items a table has, nils between them included. A table that is mostly
// gaps, like one with ports as keys, is no list.
func listLength(t *lua.LTable) int {
	n := t.MaxN()
	present := 0
	for i := 1; i <= n; i++ {
		if t.RawGetInt(i) != lua.LNil {
			present++
		}
	}
	if n > 8 && present < n/2 {
		return 0
	}
	return n
}

func (r *reader) objectItems(o Object) ([]any, error) {
	ot := o.ObjectType()
	items := make([]any, ot.Len(o))
	for i := range items {
		lv, err := r.conv.toLua(ot.At(o, i+1))
		if err != nil {
			return nil, err
		}
		if items[i], err = r.read(lv); err != nil {
			return nil, err
		}
	}
	return items, nil
}
