package runtime

import (
	"context"
	"errors"
	"fmt"
	"sort"

	lua "github.com/yuin/gopher-lua"

	"dkvrun/runtime/luanum"
)

// maxDepth limits how deep tables nest when they are converted.
const maxDepth = 200

// converter converts values between Lua and Go. It keeps the metatables of the values that it makes.
type converter struct {
	main         *lua.LState
	method       func(*ObjectType, *Builtin) *lua.LFunction // makes the method of an object
	sourceMethod func(*RecordType, *Builtin) *lua.LFunction // makes the method of a record or list
	records      map[*RecordType]*recordMetatables
	methods      map[*RecordType]map[string]*lua.LFunction // methods of records and lists
	objects      map[*ObjectType]*lua.LTable               // metatables
	emptyMap     *lua.LTable                               // metatable of empty maps, which would else look like lists
	showFunction *lua.LFunction                            // __tostring of records, lists and objects
	sameObject   *lua.LFunction                            // __eq of objects
	limits       valueLimits
}

// valueLimits are the limits of the number of values in one value. Tables that share tables can grow without end:
// thirty tables that each hold the next one twice make a billion values.
type valueLimits struct {
	parts int // values that are converted
	shown int // values that are shown, at most parts
}

// defaultLimits are the limits of a host.
var defaultLimits = valueLimits{parts: 2_000_000, shown: 200_000}

func newConverter(main *lua.LState, method func(*ObjectType, *Builtin) *lua.LFunction,
	sourceMethod func(*RecordType, *Builtin) *lua.LFunction) *converter {
	c := &converter{
		main: main, method: method, sourceMethod: sourceMethod,
		records:    map[*RecordType]*recordMetatables{},
		methods:    map[*RecordType]map[string]*lua.LFunction{},
		objects:    map[*ObjectType]*lua.LTable{},
		emptyMap:   main.CreateTable(0, 0),
		sameObject: main.NewFunction(sameObject),
		limits:     defaultLimits,
	}
	c.showFunction = main.NewFunction(func(L *lua.LState) int {
		L.Push(lua.LString(c.show(L.Get(1))))
		return 1
	})
	return c
}

// toLua converts a builtin's result: the types of Call.Value, and Value, int32, int64, uint64 and any error.
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
	case Dict:
		return c.dictToLua(v, depth)
	case mixedTable:
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

// iteratorToLua returns a function for the generic for loop. It raises the iterator's error at the loop's position.
func (c *converter) iteratorToLua(next Iterator) *lua.LFunction {
	busy := false
	return c.main.NewFunction(func(L *lua.LState) int {
		call := &Call{Name: "iterator"}
		call.File, call.Line = position(L)
		if busy {
			raiseUsage(L, "iterator: another task is waiting for its next values: let each task have its own")
		}
		var values []any
		var err error
		busy = true
		defer func() { busy = false }()
		taskOf(L).withoutLock(func() { values, err = next() })
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
	for _, k := range sortedKeys(m) { // pairs iterates in the order of insertion
		lv, err := c.toLuaAt(m[k], depth+1)
		if err != nil {
			return nil, err
		}
		t.RawSetString(k, lv)
	}
	return t, nil
}

func (c *converter) mixedToLua(m mixedTable, depth int) (*lua.LTable, error) {
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

// fromLua converts any value to the types that Call.Value lists. A value without a Go form becomes an opaque, a table
// with list items and other keys a mixedTable. Format shows both; EncodeJSON refuses them.
func (c *converter) fromLua(v lua.LValue) any {
	value, _ := (&reader{conv: c, limit: c.limits.parts}).read(v)
	return value
}

// fromLuaUntil does the same, and reports whether it was complete before the context ended.
func (c *converter) fromLuaUntil(ctx context.Context, v lua.LValue) (value any, complete bool) {
	r := &reader{conv: c, limit: c.limits.parts, done: ctx.Done()}
	value, _ = r.read(v)
	return value, !r.stopped
}

// show returns a value as people read it.
func (c *converter) show(v lua.LValue) string {
	value, _ := (&reader{conv: c, limit: c.limits.shown}).read(v)
	return Format(value)
}

// fromLuaPlain converts records, lists and objects with items to []any and map[string]any at any depth. It refuses
// cycles, coroutines and mixed tables.
func (c *converter) fromLuaPlain(v lua.LValue) (any, error) {
	return (&reader{conv: c, plain: true, limit: c.limits.parts}).read(v)
}

// stopped reports whether the current task has to stop: its run was cancelled or its time is over.
func (c *converter) stopped() bool {
	thread := c.main.G.CurrentThread
	if thread == nil || thread.Context() == nil {
		return false
	}
	select {
	case <-thread.Context().Done():
		return true
	default:
		return false
	}
}

// checkEvery is the number of values that are read or written between two calls of stopped.
const checkEvery = 1 << 10

// errStopped ends the reading or writing of a value. The task raises the reason at its next instruction.
var errStopped = errors.New("cancelled")

// opaque is the text for a value that can only be shown.
type opaque string

// mixedTable is a table with list items and other keys. It can only be shown.
type mixedTable struct {
	items []any
	keys  []any
	rest  []any

	keysFirst bool // shown before the items
}

type reader struct {
	conv    *converter // nil for EncodeJSON, which calls no function and fills no record
	plain   bool
	parents []*lua.LTable // tables around the current one
	count   int           // number of values read
	stopped bool
	limit   int             // of count
	done    <-chan struct{} // ends the reading; nil for the context of the current task
}

// ended reports whether the reading has to stop.
func (r *reader) ended() bool {
	if r.done == nil {
		return r.conv != nil && r.conv.stopped()
	}
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// truncated stands for values that are nested too deep, or exceed the limits.
const truncated = opaque("<…>")

func (r *reader) read(v lua.LValue) (any, error) {
	if r.count++; r.count%checkEvery == 0 && r.ended() {
		r.stopped = true
	}
	if r.stopped {
		return truncated, errStopped
	}
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
	if record, ok := lazyRecord(t); ok && !r.plain {
		return record, nil
	}
	if err := r.conv.materialize(t); err != nil {
		return nil, err
	}
	for _, o := range r.parents {
		if o != t {
			continue
		}
		if !r.plain {
			return opaque("<cycle>"), nil
		}
		return nil, fmt.Errorf("a table contains itself")
	}
	if r.count > r.limit {
		if !r.plain {
			return truncated, nil
		}
		return nil, fmt.Errorf("a table holds more than %d values, those of its tables included", r.limit)
	}
	if len(r.parents) >= maxDepth {
		if !r.plain {
			return truncated, nil
		}
		return nil, fmt.Errorf("tables are nested deeper than %d", maxDepth)
	}
	r.parents = append(r.parents, t)
	defer func() { r.parents = r.parents[:len(r.parents)-1] }()

	shape := shapeOf(t)
	if list := shape.list; list != nil {
		items, err := r.items(t)
		if err != nil || r.plain {
			return items, err
		}
		return List{Items: items, Type: list.Type, Values: list.Values, String: list.String, Source: list.Source}, nil
	}
	items, err := r.items(t)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	var others mixedTable
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		if n, ok := k.(lua.LNumber); ok && n >= 1 && int(n) <= len(items) && n == lua.LNumber(int(n)) {
			continue
		}
		value, err := r.read(v)
		if err != nil {
			return nil, err
		}
		if name, ok := k.(lua.LString); ok {
			if m == nil {
				m = map[string]any{}
			}
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
	if shape.origin != nil {
		if err := r.watchedFields(shape.origin, m); err != nil {
			return nil, err
		}
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
		made := Record{Type: shape.record, Values: m}
		if shape.origin != nil {
			made.Source = shape.origin.Source
		}
		return made, nil
	case m != nil:
		return m, nil
	case shape.record != nil || shape.dict || r.conv != nil && t.Metatable == r.conv.emptyMap && len(items) == 0:
		return map[string]any{}, nil
	}
	return items, nil
}

// watchedFields adds the watched fields of a record to the fields that its table has. This does not count as reading
// them.
func (r *reader) watchedFields(origin *Record, fields map[string]any) error {
	for _, f := range origin.Type.Fields {
		if _, set := fields[f.Name]; set || f.OnRead == nil {
			continue
		}
		v := origin.Value(f.Name)
		if r.plain {
			lv, err := r.conv.toLua(v)
			if err != nil {
				return err
			}
			if v, err = r.read(lv); err != nil {
				return err
			}
		}
		if v != nil {
			fields[f.Name] = v
		}
	}
	return nil
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

// listLength returns the number of list items in a table, including nils between them. A table with mostly gaps, such
// as one with ports as keys, is no list.
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
