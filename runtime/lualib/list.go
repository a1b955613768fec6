package lualib

import lua "github.com/yuin/gopher-lua"

// gopher-lua 1.1.2 keeps the values of the keys from 1 to lua.MaxArrayIndex-1 in one list per table, without gaps:
// t[60000000] = nil takes 1 GiB and seconds, and nothing can interrupt it. With a small MaxArrayIndex this is cheap,
// but its own functions then don't see the rest of a longer list, which is in a map. The functions of this file do.

// MaxArrayIndex is the value that a host sets lua.MaxArrayIndex to.
const MaxArrayIndex = 1 << 21

// Length returns the length of a list, as the operator # does for a table without __len.
func Length(t *lua.LTable) int {
	n := t.Len()
	if n != lua.MaxArrayIndex-1 {
		return n
	}
	return lengthFrom(t, n)
}

// lengthFrom returns n or a larger number, after which t has no item. t has the item n. As Lua 5.1 does, it doubles
// the distance until there is no item, and then halves the range.
func lengthFrom(t *lua.LTable, n int) int {
	step := 1
	for t.RawGet(lua.LNumber(n+step)) != lua.LNil {
		n, step = n+step, 2*step
	}
	for end := n + step; end-n > 1; {
		if middle := n + (end-n)/2; t.RawGet(lua.LNumber(middle)) != lua.LNil {
			n = middle
		} else {
			end = middle
		}
	}
	return n
}

// Item returns the item i of a list, or nil.
func Item(t *lua.LTable, i int) lua.LValue {
	if i < lua.MaxArrayIndex {
		return t.RawGetInt(i)
	}
	return t.RawGet(lua.LNumber(i))
}

// inMap reports whether a list of n items has some in its map, or would have them with another item.
func inMap(n int) bool { return n >= lua.MaxArrayIndex-1 }

// insertInMap moves the items from position i on up by one, and sets the item i. The list has n items.
func insertInMap(L *lua.LState, t *lua.LTable, n, i int, v lua.LValue) {
	for k := n; k >= i; k-- {
		checkStop(L, k)
		t.RawSetInt(k+1, Item(t, k))
	}
	t.RawSetInt(i, v)
}

// removeFromMap removes the item i of a list of n items, and moves the later ones down by one.
func removeFromMap(L *lua.LState, t *lua.LTable, n, i int) lua.LValue {
	removed := Item(t, i)
	for k := i; k < n; k++ {
		checkStop(L, k)
		t.RawSetInt(k, Item(t, k+1))
	}
	t.RawSetInt(n, lua.LNil)
	return removed
}
