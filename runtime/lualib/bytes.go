package lualib

import (
	"math"
	"slices"
	"unsafe"

	lua "github.com/yuin/gopher-lua"
)

// slice returns the part of s between two positions, which count from 1, or from the end if negative.
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

func (lib stringLibrary) sub(L *lua.LState) int {
	s := lib.textArgument(L, 1)
	numberArgument(L, 2)
	L.Push(lua.LString(slice(s, WholeArgument(L, 2, 1), WholeArgument(L, 3, -1))))
	return 1
}

func (lib stringLibrary) byte(L *lua.LState) int {
	s := lib.textArgument(L, 1)
	from := WholeArgument(L, 2, 1)
	part := slice(s, from, WholeArgument(L, 3, from))
	lib.limitValues(L, "string.byte", len(part))
	lib.Reserve(L, len(part))
	for i := range len(part) {
		L.Push(lua.LNumber(part[i]))
	}
	return len(part)
}

func (lib stringLibrary) char(L *lua.LState) int {
	text := make([]byte, L.GetTop())
	for i := range text {
		n := WholeArgument(L, i+1, -1)
		if n < 0 || n > math.MaxUint8 {
			L.ArgError(i+1, lib.Text(L, L.Get(i+1))+" is not a byte: 0 to 255")
		}
		text[i] = byte(n)
	}
	L.Push(lua.LString(text))
	return 1
}

// lower and upper change English letters and leave all other bytes as they are.
func (lib stringLibrary) lower(L *lua.LState) int { return lib.mapLetters(L, 'A', 'Z') }
func (lib stringLibrary) upper(L *lua.LState) int { return lib.mapLetters(L, 'a', 'z') }

func (lib stringLibrary) mapLetters(L *lua.LState, first, last byte) int {
	text := []byte(lib.textArgument(L, 1))
	for piece := range slices.Chunk(text, longText) {
		for i, c := range piece {
			if first <= c && c <= last {
				piece[i] = c ^ ' '
			}
		}
		checkStop(L, 0)
	}
	L.Push(lua.LString(unsafe.String(unsafe.SliceData(text), len(text)))) // text is not used any more
	return 1
}
