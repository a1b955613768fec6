package lualib

import (
	"strings"

	lua "github.com/yuin/gopher-lua"

	"dkvrun/runtime/pattern"
)

// search continues a search from an offset, and raises its error.
func (lib stringLibrary) search(L *lua.LState, function string, m *pattern.Matcher, offset int) (from, to int) {
	from, to, err := m.Find(offset)
	if err != nil {
		lib.Raise(L, "%s: %v", function, err)
	}
	return from, to
}

// start converts a string position of Lua (from 1, or from the end if negative) to an offset.
func start(position, length int) int {
	switch {
	case position > 0:
		return position - 1
	case position < 0:
		return max(0, length+position)
	}
	return 0
}

func (lib stringLibrary) find(L *lua.LState) int {
	s, pat := lib.textArgument(L, 1), lib.textArgument(L, 2)
	from := min(start(WholeArgument(L, 3, 1), len(s)), len(s))
	if lua.LVAsBool(L.Get(4)) || !strings.ContainsAny(pat, "^$*+?.([%-") {
		i := strings.Index(s[from:], pat)
		if i < 0 {
			L.Push(lua.LNil)
			return 1
		}
		L.Push(lua.LNumber(from + i + 1))
		L.Push(lua.LNumber(from + i + len(pat)))
		return 2
	}
	m := pattern.New(L.Context(), s, pat)
	from, to := lib.search(L, "string.find", m, from)
	if from < 0 {
		L.Push(lua.LNil)
		return 1
	}
	L.Push(lua.LNumber(from + 1))
	L.Push(lua.LNumber(to))
	return 2 + lib.pushCaptures(L, m)
}

func (lib stringLibrary) match(L *lua.LState) int {
	s, pat := lib.textArgument(L, 1), lib.textArgument(L, 2)
	m := pattern.New(L.Context(), s, pat)
	from, to := lib.search(L, "string.match", m, min(start(WholeArgument(L, 3, 1), len(s)), len(s)))
	if from < 0 {
		L.Push(lua.LNil)
		return 1
	}
	return lib.pushMatch(L, m, s[from:to])
}

func (lib stringLibrary) gmatch(L *lua.LState) int {
	s, pat := lib.textArgument(L, 1), lib.textArgument(L, 2)
	if strings.HasPrefix(pat, "^") {
		pat = "%" + pat // in gmatch it is a character like any other
	}
	m := pattern.New(L.Context(), s, pat)
	at := 0
	L.Push(L.NewFunction(func(L *lua.LState) int {
		from, to := -1, 0
		if at <= len(s) {
			from, to = lib.search(L, "string.gmatch", m, at)
		}
		if from < 0 {
			at = len(s) + 1
			L.Push(lua.LNil)
			return 1
		}
		at = to
		if to == from {
			at++
		}
		return lib.pushMatch(L, m, s[from:to])
	}))
	return 1
}

func (lib stringLibrary) gsub(L *lua.LState) int {
	s, pat := lib.textArgument(L, 1), lib.textArgument(L, 2)
	switch L.Get(3).Type() {
	case lua.LTString, lua.LTNumber, lua.LTTable, lua.LTFunction:
	default:
		lib.badType(L, 3, "string/function/table")
	}
	limit := WholeArgument(L, 4, len(s)+1)
	m := pattern.New(L.Context(), s, pat)
	var out strings.Builder
	at, done, count := 0, 0, 0
	for count < limit && at <= len(s) {
		from, to := lib.search(L, "string.gsub", m, at)
		if from < 0 {
			break
		}
		count++
		checkStop(L, count)
		out.WriteString(s[done:from])
		out.WriteString(lib.replacement(L, m, s[from:to]))
		lib.limitString(L, "string.gsub", out.Len())
		done, at = to, to
		if to == from {
			at++
		}
		if strings.HasPrefix(pat, "^") {
			break
		}
	}
	out.WriteString(s[done:])
	L.Push(lua.LString(out.String()))
	L.Push(lua.LNumber(count))
	return 2
}

// replacement returns the text that gsub's third argument puts in place of a match.
func (lib stringLibrary) replacement(L *lua.LState, m *pattern.Matcher, match string) string {
	var v lua.LValue
	switch r := L.Get(3).(type) {
	case lua.LString, lua.LNumber:
		return lib.expand(L, m, lib.Text(L, r), match)
	case *lua.LTable:
		v = L.GetTable(r, lib.captured(L, m, 0, match))
	case *lua.LFunction:
		base := L.GetTop()
		L.Push(r)
		n := lib.pushMatch(L, m, match)
		L.Call(n, 1)
		v = L.Get(-1)
		L.SetTop(base)
	}
	switch {
	case !lua.LVAsBool(v):
		return match
	case lua.LVCanConvToString(v):
		return lib.Text(L, v)
	}
	lib.Raise(L, "invalid replacement value (a %s)", lib.TypeName(v))
	return ""
}

// expand inserts captures into a replacement text: %0 is the match, %1 to %9 are captures, %% is a percent sign.
func (lib stringLibrary) expand(L *lua.LState, m *pattern.Matcher, text, match string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' || i+1 == len(text) {
			out.WriteByte(text[i])
			continue
		}
		i++
		switch c := text[i]; {
		case c == '0':
			out.WriteString(match)
		case '0' <= c && c <= '9':
			out.WriteString(lib.Text(L, lib.captured(L, m, int(c-'1'), match)))
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

// captured returns a capture, counted from 0. Capture 0 of a pattern without captures is the whole match.
func (lib stringLibrary) captured(L *lua.LState, m *pattern.Matcher, i int, match string) lua.LValue {
	if i >= m.Captures() {
		if i == 0 {
			return lua.LString(match)
		}
		lib.Raise(L, "string.gsub: the pattern has no capture %d", i+1)
	}
	text, position, err := m.Capture(i)
	switch {
	case err != nil:
		lib.Raise(L, "%v", err)
	case position > 0:
		return lua.LNumber(position)
	}
	return lua.LString(text)
}

func (lib stringLibrary) pushCaptures(L *lua.LState, m *pattern.Matcher) int {
	for i := range m.Captures() {
		L.Push(lib.captured(L, m, i, ""))
	}
	return m.Captures()
}

// pushMatch pushes the captures, or the whole match if there are none.
func (lib stringLibrary) pushMatch(L *lua.LState, m *pattern.Matcher, match string) int {
	if m.Captures() == 0 {
		L.Push(lua.LString(match))
		return 1
	}
	return lib.pushCaptures(L, m)
}
