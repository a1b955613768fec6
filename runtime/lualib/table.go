package lualib

import (
	"fmt"
	"sort"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// openTable replaces functions of table. gopher-lua's functions count trailing nils as items, and take a position
// outside the list for its last one.
func openTable(L *lua.LState, e *Env) {
	t, lib := library(L, "table"), tableLibrary{e}
	for name, fn := range map[string]lua.LGFunction{
		"concat": lib.concat, "foreach": lib.foreach, "foreachi": lib.foreachi, "insert": lib.insert, "maxn": maxn,
		"remove": remove, "setn": lib.setn, "sort": sortTable,
	} {
		t.RawSetString(name, L.NewFunction(fn))
	}
}

type tableLibrary struct{ *Env }

// concat joins the items of a list, with a separator between them.
func (lib tableLibrary) concat(L *lua.LState) int {
	t, sep := L.CheckTable(1), ""
	if L.Get(2) != lua.LNil {
		sep = lib.textArgument(L, 2)
	}
	first, last := WholeArgument(L, 3, 1), WholeArgument(L, 4, Length(t))
	var out strings.Builder
	for i := first; i <= last; i++ {
		checkStop(L, i-first)
		v := Item(t, i)
		if !lua.LVCanConvToString(v) {
			lib.Raise(L, "invalid value (%s) at index %d in table for 'concat'", lib.TypeName(v), i)
		}
		out.WriteString(lib.Text(L, v))
		if i < last {
			out.WriteString(sep)
		}
		lib.limitString(L, "table.concat", out.Len())
	}
	L.Push(lua.LString(out.String()))
	return 1
}

// insert inserts a value at a position from 1 on, or at the end.
func (lib tableLibrary) insert(L *lua.LState) int {
	t := L.CheckTable(1)
	switch L.GetTop() {
	case 2:
		if n := Length(t); inMap(n) {
			t.RawSetInt(n+1, L.Get(2))
		} else {
			t.Append(L.Get(2))
		}
	case 3:
		numberArgument(L, 2)
		i := WholeArgument(L, 2, 1)
		if i < 1 {
			L.ArgError(2, fmt.Sprintf("position %d is out of range: at least 1", i))
		}
		if n := Length(t); inMap(n) {
			insertInMap(L, t, n, i, L.Get(3))
		} else {
			t.Insert(i, L.Get(3))
		}
	default:
		lib.Raise(L, "wrong number of arguments to 'insert': a table, a position if it isn't the end, and one value")
	}
	return 0
}

// remove removes the item at a position, by default the last one. It does nothing for a position outside the list.
func remove(L *lua.LState) int {
	t := L.CheckTable(1)
	n := Length(t)
	i := WholeArgument(L, 2, n)
	if i < 1 || i > n {
		return 0
	}
	if inMap(n) {
		L.Push(removeFromMap(L, t, n, i))
		return 1
	}
	L.Push(t.Remove(i))
	return 1
}

// foreach calls a function with each key and value, until it returns a value other than nil, and returns that value.
func (lib tableLibrary) foreach(L *lua.LState) int {
	t, f := L.CheckTable(1), L.CheckFunction(2)
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		if result := call2(L, f, k, v); result != lua.LNil {
			L.Push(result)
			return 1
		}
	}
	return 0
}

// foreachi does the same with the items of a list.
func (lib tableLibrary) foreachi(L *lua.LState) int {
	t, f := L.CheckTable(1), L.CheckFunction(2)
	for i := 1; i <= Length(t); i++ {
		if result := call2(L, f, lua.LNumber(i), Item(t, i)); result != lua.LNil {
			L.Push(result)
			return 1
		}
	}
	return 0
}

func (lib tableLibrary) setn(L *lua.LState) int {
	lib.Raise(L, "'setn' is obsolete")
	return 0
}

// maxn returns the largest numeric key, or 0.
func maxn(L *lua.LState) int {
	t := L.CheckTable(1)
	largest, from := lua.LNumber(0), lua.LValue(lua.LNil)
	if n := t.MaxN(); n > 0 {
		largest, from = lua.LNumber(n), lua.LNumber(n)
	}
	for k, _ := t.Next(from); k != lua.LNil; k, _ = t.Next(k) {
		if n, ok := k.(lua.LNumber); ok && n > largest {
			largest = n
		}
	}
	L.Push(largest)
	return 1
}

// sortTable sorts a list by < or by a function that reports whether its first argument comes first.
func sortTable(L *lua.LState) int {
	t := L.CheckTable(1)
	s := sorter{L: L, values: make([]lua.LValue, Length(t))}
	if L.Get(2) != lua.LNil {
		s.before = L.CheckFunction(2)
	}
	for i := range s.values {
		s.values[i] = Item(t, i+1)
	}
	sort.Sort(&s)
	for i, v := range s.values {
		t.RawSetInt(i+1, v)
	}
	return 0
}

// sorter sorts a copy, so that the function may change the table.
type sorter struct {
	L        *lua.LState
	before   *lua.LFunction // nil for <
	values   []lua.LValue
	compared int // how many pairs with <
}

func (s *sorter) Len() int      { return len(s.values) }
func (s *sorter) Swap(i, j int) { s.values[i], s.values[j] = s.values[j], s.values[i] }

func (s *sorter) Less(i, j int) bool {
	if s.before == nil {
		s.compared++
		checkStop(s.L, s.compared)
		return s.L.LessThan(s.values[i], s.values[j])
	}
	s.L.Push(s.before)
	s.L.Push(s.values[i])
	s.L.Push(s.values[j])
	s.L.Call(2, 1)
	less := lua.LVAsBool(s.L.Get(-1))
	s.L.Pop(1)
	return less
}
