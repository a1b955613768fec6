package runtime

import (
	lua "github.com/yuin/gopher-lua"
)

// openDebug makes debug.traceback, which shows any raised value before the trace.
func (h *Host) openDebug() {
	t := h.only("debug")
	t.RawSetString("traceback", h.main.NewFunction(func(L *lua.LState) int {
		text := traceback(L)
		if v := L.Get(1); v != lua.LNil {
			text = h.text(L, v) + "\n" + text
		}
		L.Push(lua.LString(text))
		return 1
	}))
	h.globals.RawSetString("debug", t)
}
