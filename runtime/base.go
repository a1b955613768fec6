package runtime

import (
	"fmt"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"dkvrun/runtime/luanum"
)

// textOf is what tostring gives.
func textOf(L *lua.LState, v lua.LValue) string {
	if n, ok := v.(lua.LNumber); ok {
		return luanum.Format(float64(n))
	}
	if fn, ok := L.GetMetaField(v, "__tostring").(*lua.LFunction); ok {
		L.Push(fn)
		L.Push(v)
		L.Call(1, 1)
		s := L.Get(-1)
		L.Pop(1)
		return s.String()
	}
	return v.String()
}

func (h *Host) tostring(L *lua.LState) int {
	L.Push(lua.LString(textOf(L, L.CheckAny(1))))
	return 1
}

func (h *Host) tonumber(L *lua.LState) int {
	v := L.CheckAny(1)
	if L.GetTop() > 1 && L.Get(2) != lua.LNumber(10) {
		base := L.CheckInt(2)
		if base < 2 || base > 36 {
			raiseUsage(L, "tonumber: base %d is out of range: 2 to 36", base)
		}
		s := strings.ToLower(strings.TrimSpace(textOf(L, v)))
		if base == 16 {
			s = strings.TrimPrefix(s, "0x")
		}
		if n, err := strconv.ParseInt(s, base, 64); err == nil {
			L.Push(lua.LNumber(n))
		} else {
			L.Push(lua.LNil)
		}
		return 1
	}
	switch v := v.(type) {
	case lua.LNumber:
		L.Push(v)
	case lua.LString:
		if n, ok := luanum.Parse(strings.TrimSpace(string(v))); ok {
			L.Push(lua.LNumber(n))
		} else {
			L.Push(lua.LNil)
		}
	default:
		L.Push(lua.LNil)
	}
	return 1
}

// print shows its arguments as Format does, with tabs between them.
func (h *Host) print(L *lua.LState) int {
	parts := make([]string, L.GetTop())
	for i := range parts {
		v := L.Get(i + 1)
		if t, ok := v.(*lua.LTable); ok && L.GetMetaField(t, "__tostring") == lua.LNil {
			parts[i] = h.conv.show(t)
		} else {
			parts[i] = textOf(L, v)
		}
	}
	fmt.Fprintln(h.opts.Stdout, strings.Join(parts, "\t"))
	return 0
}

// assert raises its second argument where the first is false or nil, and what an object's own check
// says.
func (h *Host) assert(L *lua.LState) int {
	v := L.CheckAny(1)
	if o := objectOf(v); o != nil && o.ObjectType().Assert != nil {
		if err := o.ObjectType().Assert(o); err != nil {
			e := *asError(err)
			if e.Line == 0 {
				e.File, e.Line = place(L)
			}
			raise(L, &e)
		}
	}
	if lua.LVAsBool(v) {
		return L.GetTop()
	}
	switch message := L.Get(2).(type) {
	case *lua.LNilType:
		raiseText(L, "assertion failed!", 1)
	case lua.LString:
		if _, line, _ := h.splitPlace(string(message)); line > 0 {
			raiseText(L, string(message), 0)
		}
		raiseText(L, string(message), 1)
	default:
		L.Error(message, 1)
	}
	return 0
}

// error raises any value; text gets the place of the caller's level.
func (h *Host) error(L *lua.LState) int {
	v, level := L.CheckAny(1), L.OptInt(2, 1)
	if s, ok := v.(lua.LString); ok {
		raiseText(L, string(s), level)
	}
	L.Error(v, level)
	return 0
}

// raiseText raises text with the place of a level of the stack; level 0 is no place, 1 the caller.
func raiseText(L *lua.LState, text string, level int) {
	if level > 0 {
		where := L.Where(level)
		source, _, _ := strings.Cut(where, ":")
		if where != "" && !IsOwnSource(source) { // nor Go's, [G]
			text = where + " " + text
		}
	}
	L.Error(lua.LString(text), 0)
}
