package runtime

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// guard runs a match and raises what it failed with.
func (h *Host) guard(L *lua.LState, function string, match func()) {
	defer func() {
		if p := recover(); p != nil {
			err, ok := p.(error)
			if _, fromLua := p.(*lua.ApiError); !ok || fromLua {
				panic(p)
			}
			h.raise(L, h.errorHere(L, "%s: %v", function, err))
		}
	}()
	match()
}

// start turns a string position of Lua's, from 1 or from the end if negative, into an offset.
func start(position, length int) int {
	switch {
	case position > 0:
		return position - 1
	case position < 0:
		return max(0, length+position)
	}
	return 0
}

func (h *Host) stringFind(L *lua.LState) int {
	s, pattern := h.textArgument(L, "string.find", 1), h.textArgument(L, "string.find", 2)
	from := min(start(L.OptInt(3, 1), len(s)), len(s))
	if lua.LVAsBool(L.Get(4)) || !strings.ContainsAny(pattern, "^$*+?.([%-") {
		i := strings.Index(s[from:], pattern)
		if i < 0 {
			L.Push(lua.LNil)
			return 1
		}
		L.Push(lua.LNumber(from + i + 1))
		L.Push(lua.LNumber(from + i + len(pattern)))
		return 2
	}
	m := matcher{src: s, pat: pattern, stop: L.Context()}
	var to int
	h.guard(L, "string.find", func() { from, to = m.find(from) })
	if from < 0 {
		L.Push(lua.LNil)
		return 1
	}
	L.Push(lua.LNumber(from + 1))
	L.Push(lua.LNumber(to))
	return 2 + h.pushCaptures(L, &m)
}

func (h *Host) stringMatch(L *lua.LState) int {
	s, pattern := h.textArgument(L, "string.match", 1), h.textArgument(L, "string.match", 2)
	m := matcher{src: s, pat: pattern, stop: L.Context()}
	from, to := min(start(L.OptInt(3, 1), len(s)), len(s)), 0
	h.guard(L, "string.match", func() { from, to = m.find(from) })
	if from < 0 {
		L.Push(lua.LNil)
		return 1
	}
	return h.pushMatch(L, &m, from, to)
}

func (h *Host) stringGmatch(L *lua.LState) int {
	s, pattern := h.textArgument(L, "string.gmatch", 1), h.textArgument(L, "string.gmatch", 2)
	m := matcher{src: s, pat: pattern, stop: L.Context()}
	at := 0
	L.Push(L.NewFunction(func(L *lua.LState) int {
		from, to := -1, 0
		if at <= len(s) {
			m.steps = 0
			h.guard(L, "string.gmatch", func() { from, to = m.find(at) })
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
		return h.pushMatch(L, &m, from, to)
	}))
	return 1
}

func (h *Host) stringGsub(L *lua.LState) int {
	s, pattern := h.textArgument(L, "string.gsub", 1), h.textArgument(L, "string.gsub", 2)
	limit := L.OptInt(4, len(s)+1)
	m := matcher{src: s, pat: pattern, stop: L.Context()}
	var out strings.Builder
	at, done, count := 0, 0, 0
	for count < limit && at <= len(s) {
		var from, to int
		m.steps = 0
		h.guard(L, "string.gsub", func() { from, to = m.find(at) })
		if from < 0 {
			break
		}
		count++
		out.WriteString(s[done:from])
		out.WriteString(h.replacement(L, &m, from, to))
		h.limitString(L, "string.gsub", out.Len())
		done, at = to, to
		if to == from {
			at++
		}
		if strings.HasPrefix(pattern, "^") {
			break
		}
	}
	out.WriteString(s[done:])
	L.Push(lua.LString(out.String()))
	L.Push(lua.LNumber(count))
	return 2
}

// replacement is what gsub's third argument makes of a match.
func (h *Host) replacement(L *lua.LState, m *matcher, from, to int) string {
	var v lua.LValue
	switch r := L.Get(3).(type) {
	case lua.LString, lua.LNumber:
		return h.expand(L, m, h.text(L, r), from, to)
	case *lua.LTable:
		v = L.GetTable(r, h.captured(L, m, 0, from, to))
	case *lua.LFunction:
		base := L.GetTop()
		L.Push(r)
		n := h.pushMatch(L, m, from, to)
		L.Call(n, 1)
		v = L.Get(-1)
		L.SetTop(base)
	default:
		h.raise(L, h.errorHere(L, "string.gsub: argument 3: got %s, want string, table or function", h.typeName(r)))
	}
	switch {
	case !lua.LVAsBool(v):
		return m.src[from:to]
	case lua.LVCanConvToString(v):
		return h.text(L, v)
	}
	h.raise(L, h.errorHere(L, "string.gsub: the replacement is a %s, want string", h.typeName(v)))
	return ""
}

// expand puts the captures into a replacement text: %0 the match, %1 to %9 the captures, %% itself.
func (h *Host) expand(L *lua.LState, m *matcher, text string, from, to int) string {
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
			out.WriteString(m.src[from:to])
		case isDigit(c):
			out.WriteString(h.text(L, h.captured(L, m, int(c-'1'), from, to)))
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

// captured is a capture, counted from 0; the whole match where the pattern has none.
func (h *Host) captured(L *lua.LState, m *matcher, i, from, to int) lua.LValue {
	if i >= m.level {
		if i == 0 {
			return lua.LString(m.src[from:to])
		}
		h.raise(L, h.errorHere(L, "string.gsub: the pattern has no capture %d", i+1))
	}
	c := m.captures[i]
	switch c.len {
	case capturePosition:
		return lua.LNumber(c.start + 1)
	case captureUnfinished:
		h.raise(L, h.errorHere(L, "the pattern has a ( without its )"))
	}
	return lua.LString(m.src[c.start : c.start+c.len])
}

func (h *Host) pushCaptures(L *lua.LState, m *matcher) int {
	for i := 0; i < m.level; i++ {
		L.Push(h.captured(L, m, i, 0, 0))
	}
	return m.level
}

// pushMatch pushes the captures, or the whole match where there are none.
func (h *Host) pushMatch(L *lua.LState, m *matcher, from, to int) int {
	if m.level == 0 {
		L.Push(lua.LString(m.src[from:to]))
		return 1
	}
	return h.pushCaptures(L, m)
}
