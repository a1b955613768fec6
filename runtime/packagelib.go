package runtime

import (
	"dkvrun/runtime/lualib"

	lua "github.com/yuin/gopher-lua"
)

// openPackage makes package: what require has loaded, and what loads a module that is no file. Where
// require looks is not the script's to change.
func (h *Host) openPackage() {
	L := h.main
	h.modules = modules{loaded: L.CreateTable(0, 0), preload: L.CreateTable(0, 0), loading: map[string]*loading{}}
	t := L.CreateTable(0, 0)
	t.RawSetString("loaded", h.modules.loaded)
	t.RawSetString("preload", h.modules.preload)
	t.RawSetString("config", lua.LString("/\n;\n?\n!\n-\n"))
	closed := L.NewFunction(func(L *lua.LState) int {
		if key, ok := L.Get(2).(lua.LString); ok && lualib.ClosedReason("package."+string(key)) != "" {
			raiseNoField(L, "package", key, nil)
		}
		if L.GetTop() == 3 {
			L.RawSet(L.CheckTable(1), L.Get(2), L.Get(3))
		}
		return 0
	})
	mt := L.CreateTable(0, 0)
	mt.RawSetString("__index", closed)
	mt.RawSetString("__newindex", closed)
	mt.RawSetString("__metatable", lua.LString("package"))
	t.Metatable = mt
	h.globals.RawSetString("package", t)
	for _, name := range []string{"_G", "coroutine", "debug", "io", "math", "os", "package", "string", "table"} {
		h.modules.loaded.RawSetString(name, h.globals.RawGetString(name))
	}
}
