package lualib

import (
	lua "github.com/yuin/gopher-lua"
)

// openDebug sets the global debug. traceback puts a value before the calls from a level of the stack on. getmetatable
// respects __metatable, as the global function does.
func openDebug(L *lua.LState, e *Env) {
	t := restricted(L, e, "debug")
	t.RawSetString("traceback", L.NewFunction(func(L *lua.LState) int {
		level := max(0, WholeArgument(L, 2, 1)) // level 0 is traceback itself, unless it is called as a handler
		if frame, ok := L.GetStack(0); ok {
			if fn, err := L.GetInfo("f", frame, lua.LNil); err != nil || fn != t.RawGetString("traceback") {
				level--
			}
		}
		text := e.Traceback(L, max(0, level))
		if v := L.Get(1); v != lua.LNil {
			text = e.Text(L, v) + "\n" + text
		}
		L.Push(lua.LString(text))
		return 1
	}))
	t.RawSetString("getmetatable", L.G.Global.RawGetString("getmetatable"))
	L.G.Global.RawSetString("debug", t)
}
