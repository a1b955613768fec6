package runtime

import (
	lua "github.com/yuin/gopher-lua"
)

// openLibraries makes Lua's own globals: what reads or changes the machine stays out, what misleads
// is replaced.
func (h *Host) openLibraries() {
	L := h.main
	for _, open := range []lua.LGFunction{lua.OpenBase, lua.OpenTable, lua.OpenString, lua.OpenMath, lua.OpenCoroutine, lua.OpenOs} {
		L.Push(L.NewFunction(open))
		L.Call(0, 0)
	}
	h.strings = h.library("string")
	h.globals.RawSetString("next", h.nextKey)
	for name, fn := range map[string]lua.LGFunction{
		"assert": h.assert, "error": h.error, "ipairs": h.ipairs, "load": h.load, "loadstring": h.load,
		"pairs": h.pairs, "pcall": h.pcall, "print": h.print, "rawget": h.rawget, "rawset": h.rawset,
		"require": h.require, "tonumber": h.tonumber, "tostring": h.tostring, "unpack": h.unpack, "xpcall": h.xpcall,
	} {
		h.globals.RawSetString(name, L.NewFunction(fn))
	}
	for _, name := range []string{"dofile", "loadfile", "module", "newproxy", "_printregs", "_GOPHER_LUA_VERSION"} {
		h.globals.RawSetString(name, lua.LNil)
	}
	h.openStrings()
	openErrors(L, h.strings)
	h.openMath()
	h.openCoroutines()
	h.openOS()
	h.openDebug()
	h.openIO()
	h.openTable()
	h.openPackage()
}

func (h *Host) library(name string) *lua.LTable {
	return h.globals.RawGetString(name).(*lua.LTable)
}

// only makes a library of these functions of the one that was opened; the others say why they are
// not there, when they are called: modules keep functions that they may never call.
func (h *Host) only(library string, names ...string) *lua.LTable {
	t := h.main.CreateTable(0, 0)
	for _, name := range names {
		t.RawSetString(name, h.library(library).RawGetString(name))
	}
	mt := h.main.CreateTable(0, 0)
	mt.RawSetString("__index", h.main.NewFunction(func(L *lua.LState) int {
		key := L.Get(2)
		refuse := func(L *lua.LState) int {
			raise(L, noField(L, library, key, stringKeys(t)))
			return 0
		}
		if !closedFunction(library, key.String()) {
			return refuse(L)
		}
		L.Push(L.NewFunction(refuse))
		return 1
	}))
	mt.RawSetString("__metatable", lua.LString(library))
	t.Metatable = mt
	return t
}

// closedFunction tells whether Lua's own library has a function of that name that is refused when it
// is called.
func closedFunction(library, name string) bool {
	return library != "package" && name != "stdin" && closedReason(library+"."+name) != ""
}

// closedReason says why a function of Lua's own libraries is not there, "" where it isn't Lua's.
func closedReason(name string) string {
	switch name {
	case "dofile", "loadfile":
		return "require reads modules"
	case "module":
		return "a module is a file that returns a table"
	case "package.path", "package.cpath":
		return "require finds modules in the script's folder, DKVRUN_PATH and the standard library"
	case "package.loadlib", "package.loaders":
		return "a module is Lua, and require reads it"
	case "package.seeall":
		return "a module is a file that returns a table"
	case "newproxy":
		return "it is of no use here"
	case "os.execute", "io.popen":
		return "a script starts no processes"
	case "os.exit":
		return "exit(status) ends the run"
	case "os.getenv", "os.setenv", "os.setlocale":
		return "a script doesn't see the environment"
	case "os.remove", "os.rename", "os.tmpname", "io.open", "io.lines", "io.input", "io.output", "io.close", "io.tmpfile", "io.type",
		"output.close", "output.lines", "output.read", "output.seek":
		return "a script doesn't touch files"
	case "io.read", "io.stdin":
		return "standard input is not the script's"
	case "debug.debug", "debug.getfenv", "debug.gethook", "debug.getinfo", "debug.getlocal",
		"debug.getregistry", "debug.getupvalue", "debug.setfenv", "debug.sethook", "debug.setlocal", "debug.setmetatable",
		"debug.setupvalue":
		return "of debug there are traceback and getmetatable"
	}
	return ""
}

// seal makes reading an undefined global an error. Scripts may define globals of their own.
func (h *Host) seal() {
	mt := h.main.CreateTable(0, 0)
	mt.RawSetString("__index", h.main.NewFunction(func(L *lua.LState) int {
		raiseUsage(L, "%s", h.undefined(textOf(L, L.Get(2)), nil))
		return 0
	}))
	mt.RawSetString("__metatable", lua.LString("globals"))
	h.globals.Metatable = mt
}

// undefined says why there is no global of that name; others are names that might have been meant,
// beside those there are.
func (h *Host) undefined(name string, others []string) string {
	if why := closedReason(name); why != "" {
		return name + " is not available in runbooks: " + why
	}
	if near := Suggest(name, append(stringKeys(h.globals), others...)); near != "" {
		return "undefined global " + name + ": did you mean " + near + "?"
	}
	return "undefined global " + name
}
