package runtime

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// text is what tostring gives.
func (h *Host) text(L *lua.LState, v lua.LValue) string {
	if n, ok := v.(lua.LNumber); ok {
		return formatNumber(float64(n))
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

// formatNumber writes a number as Lua 5.1 does: %.14g, and inf, -inf, nan.
func formatNumber(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case f == math.Trunc(f) && math.Abs(f) <= 1<<53:
		return strconv.FormatInt(int64(f), 10)
	}
	return strconv.FormatFloat(f, 'g', 14, 64)
}

func (h *Host) tostring(L *lua.LState) int {
	L.Push(lua.LString(h.text(L, L.CheckAny(1))))
	return 1
}

// print shows its arguments as Format does, with tabs between them.
func (h *Host) print(L *lua.LState) int {
	parts := make([]string, L.GetTop())
	for i := range parts {
		v := L.Get(i + 1)
		if t, ok := v.(*lua.LTable); ok && L.GetMetaField(t, "__tostring") == lua.LNil {
			parts[i] = h.Format(h.fromLua(t))
		} else {
			parts[i] = h.text(L, v)
		}
	}
	fmt.Fprintln(h.opts.Stdout, strings.Join(parts, "\t"))
	return 0
}

// write is io.write.
func (h *Host) write(L *lua.LState) int {
	for i := 1; i <= L.GetTop(); i++ {
		v := L.Get(i)
		if !lua.LVCanConvToString(v) {
			h.raise(L, h.errorHere(L, "io.write: argument %d: got %s, want string", i, h.typeName(v)))
		}
		io.WriteString(h.opts.Stdout, h.text(L, v))
	}
	return 0
}

// show is the __tostring of records, lists and objects.
func (h *Host) show(L *lua.LState) int {
	L.Push(lua.LString(h.Format(h.fromLua(L.Get(1)))))
	return 1
}

func (h *Host) tonumber(L *lua.LState) int {
	v := L.CheckAny(1)
	if L.GetTop() > 1 && L.Get(2) != lua.LNumber(10) {
		base := L.CheckInt(2)
		if base < 2 || base > 36 {
			h.raise(L, h.errorHere(L, "tonumber: base %d is out of range: 2 to 36", base))
		}
		s := strings.ToLower(strings.TrimSpace(h.text(L, v)))
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
		L.Push(parseNumber(strings.TrimSpace(string(v))))
	default:
		L.Push(lua.LNil)
	}
	return 1
}

// parseNumber reads a number as Lua's sources write it, nil where it isn't one.
func parseNumber(s string) lua.LValue {
	if strings.Trim(s, "0123456789abcdefABCDEFxX.+-") != "" { // Go reads inf, nan and 1_000 too
		return lua.LNil
	}
	if n, err := strconv.ParseInt(s, 0, 64); err == nil && strings.ContainsAny(s, "xX") {
		return lua.LNumber(n)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return lua.LNil
	}
	return lua.LNumber(f)
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
			h.raise(L, &e)
		}
	}
	if lua.LVAsBool(v) {
		return L.GetTop()
	}
	switch message := L.Get(2).(type) {
	case *lua.LNilType:
		h.raiseText(L, "assertion failed!", 1)
	case lua.LString:
		if _, line, _ := h.splitPlace(string(message)); line > 0 {
			h.raiseText(L, string(message), 0)
		}
		h.raiseText(L, string(message), 1)
	default:
		L.Error(message, 1)
	}
	return 0
}

// error raises any value; text gets the place of the caller's level.
func (h *Host) error(L *lua.LState) int {
	v, level := L.CheckAny(1), L.OptInt(2, 1)
	if s, ok := v.(lua.LString); ok {
		h.raiseText(L, string(s), level)
	}
	L.Error(v, level)
	return 0
}

// raiseText raises text with the place of a level of the stack; level 0 is no place, 1 the caller.
func (h *Host) raiseText(L *lua.LState, text string, level int) {
	if level > 0 {
		if where := L.Where(level); where != "" && !strings.HasPrefix(where, "[G]") {
			text = where + " " + text
		}
	}
	L.Error(lua.LString(text), 0)
}

// load is load and loadstring: text, or a function that gives it piece by piece.
func (h *Host) load(L *lua.LState) int {
	var src strings.Builder
	switch v := L.Get(1).(type) {
	case lua.LString:
		src.WriteString(string(v))
	case *lua.LFunction:
		for src.Len() <= maxSource {
			L.Push(v)
			L.Call(0, 1)
			piece, ok := L.Get(-1).(lua.LString)
			L.Pop(1)
			if !ok || piece == "" {
				break
			}
			src.WriteString(string(piece))
		}
	default:
		h.raise(L, h.errorHere(L, "load: got %s, want string", h.typeName(v)))
	}
	name := strings.TrimLeft(L.OptString(2, "(load)"), "=@")
	fn, err := h.compile(name, []byte(src.String()))
	if err != nil {
		L.Push(lua.LNil)
		L.Push(lua.LString(err.Error()))
		return 2
	}
	L.Push(fn)
	return 1
}
