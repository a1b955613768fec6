package runtime

import (
	lua "github.com/yuin/gopher-lua"
)

// openDebug makes debug.traceback, which shows any raised value before the trace.
func (h *Host) openDebug() {
	traceback := h.library("debug").RawGetString("traceback")
	t := h.only("debug")
	t.RawSetString("traceback", h.main.NewFunction(func(L *lua.LState) int {
		text := ""
		if v := L.Get(1); v != lua.LNil {
			text = h.text(L, v) + "\n"
		}
		level := L.OptInt(2, 1)
		L.Push(traceback)
		L.Push(lua.LNil)
		L.Push(lua.LNumber(level + 1)) // past this function
		L.Call(2, 1)
		L.Push(lua.LString(text + L.Get(-1).String()))
		return 1
	}))
	h.globals.RawSetString("debug", t)
}
