package lualib

import (
	lua "github.com/yuin/gopher-lua"
)

// restricted returns a library with these functions of the open one. Reading an unavailable function succeeds and
// calling it raises an error, because modules often keep functions that they never call.
func restricted(L *lua.LState, e *Env, name string, functions ...string) *lua.LTable {
	t := L.CreateTable(0, 0)
	for _, function := range functions {
		t.RawSetString(function, library(L, name).RawGetString(function))
	}
	mt := L.CreateTable(0, 0)
	mt.RawSetString("__index", L.NewFunction(func(L *lua.LState) int {
		key := L.Get(2)
		refuse := func(L *lua.LState) int {
			e.RaiseNoField(L, name, key, stringKeys(t))
			return 0
		}
		if !IsUnavailable(name, key.String()) {
			return refuse(L)
		}
		L.Push(L.NewFunction(refuse))
		return 1
	}))
	mt.RawSetString("__metatable", lua.LString(name))
	t.Metatable = mt
	return t
}

// IsUnavailable reports whether a function of Lua's own library exists but raises an error when it is called.
func IsUnavailable(library, name string) bool {
	return library != "package" && name != "stdin" && UnavailableReason(library+"."+name) != ""
}

// UnavailableReason returns why a function of Lua's own libraries is unavailable, or "" if it is not one.
func UnavailableReason(name string) string {
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
