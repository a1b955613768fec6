package runtime

import (
	"math"

	lua "github.com/yuin/gopher-lua"
)

// maxValues is how many values one call gives at most, as in Lua 5.1: the stack holds them all.
const maxValues = 8000

// limitValues raises where a call would give too many.
func limitValues(L *lua.LState, function string, n int) {
	if n > maxValues {
		raiseUsage(L, "%s: more than %d values at once", function, maxValues)
	}
}

// wholeArgument is the whole number at i, fallback where there is none. What no int can hold counts as the
// largest or the smallest.
func wholeArgument(L *lua.LState, i, fallback int) int {
	if L.Get(i) == lua.LNil {
		return fallback
	}
	switch n := float64(L.CheckNumber(i)); {
	case n >= math.MaxInt32:
		return int(min(n, 1<<53))
	case n <= math.MinInt32:
		return int(max(n, -(1 << 53)))
	case math.IsNaN(n):
		return 0
	default:
		return int(n)
	}
}

// slice is the part of s from one position to another: from 1, or from the end if negative.
func slice(s string, from, to int) string {
	if from < 0 {
		from += len(s) + 1
	}
	if to < 0 {
		to += len(s) + 1
	}
	from, to = max(from, 1), min(to, len(s))
	if from > to {
		return ""
	}
	return s[from-1 : to]
}

func (h *Host) stringSub(L *lua.LState) int {
	s := textArgument(L, "string.sub", 1)
	L.CheckNumber(2)
	L.Push(lua.LString(slice(s, wholeArgument(L, 2, 1), wholeArgument(L, 3, -1))))
	return 1
}

func (h *Host) stringByte(L *lua.LState) int {
	s := textArgument(L, "string.byte", 1)
	from := wholeArgument(L, 2, 1)
	part := slice(s, from, wholeArgument(L, 3, from))
	limitValues(L, "string.byte", len(part))
	for i := range len(part) {
		L.Push(lua.LNumber(part[i]))
	}
	return len(part)
}

func (h *Host) stringChar(L *lua.LState) int {
	text := make([]byte, L.GetTop())
	for i := range text {
		n := wholeArgument(L, i+1, -1)
		if n < 0 || n > math.MaxUint8 {
			raiseUsage(L, "string.char: argument %d: %s is not a byte: 0 to 255", i+1, textOf(L, L.Get(i+1)))
		}
		text[i] = byte(n)
	}
	L.Push(lua.LString(text))
	return 1
}

// stringLower and stringUpper change English letters and leave all other bytes as they are.
func (h *Host) stringLower(L *lua.LState) int { return h.mapLetters(L, "string.lower", 'A', 'Z') }
func (h *Host) stringUpper(L *lua.LState) int { return h.mapLetters(L, "string.upper", 'a', 'z') }

func (h *Host) mapLetters(L *lua.LState, function string, first, last byte) int {
	text := []byte(textArgument(L, function, 1))
	for i, c := range text {
		if first <= c && c <= last {
			text[i] = c ^ ' '
		}
	}
	L.Push(lua.LString(text))
	return 1
}
