package runtime

import (
	"dkvrun/runtime/lualib"

	lua "github.com/yuin/gopher-lua"
)

// openLibraries sets Lua's globals, without functions that access the machine. It replaces functions of gopher-lua
// that behave wrongly.
func (h *Host) openLibraries() {
	L := h.main
	for _, open := range []lua.LGFunction{lua.OpenBase, lua.OpenCoroutine} {
		L.Push(L.NewFunction(open))
		L.Call(0, 0)
	}
	env := &lualib.Env{
		Stdout: h.opts.Stdout, Stderr: h.opts.Stderr, MaxString: h.opts.MaxString,
		Raise: raiseUsage, RaiseText: raiseText, RaiseNoField: raiseNoField,
		Text: textOf, Show: h.conv.show, Reserve: reserve, Traceback: traceback,
		TypeName: typeName, ArgumentName: argumentName, OperandName: operandName,
		Random: randomOf,
	}
	lualib.Open(L, env)
	h.compiler = &compiler{main: L, sources: map[string]bool{}, concatenate: L.NewFunction(env.Concatenate)}
	h.strings = h.globals.RawGetString("string").(*lua.LTable)
	openBase(L, h.conv, h.compiler, h.opts.Stdout, h.attempt)
	h.modules = openPackage(L, h.compiler, h.opts)
	pcall, xpcall := L.NewFunction(h.pcall), L.NewFunction(h.xpcall)
	h.scheduler.protecting = []*lua.LFunction{pcall, xpcall}
	h.globals.RawSetString("pcall", pcall)
	h.globals.RawSetString("xpcall", xpcall)
	h.globals.RawSetString("require", L.NewFunction(h.modules.require))
	openErrors(L, h.strings)
	openCoroutines(L, &h.protected)
}

// seal makes it an error to read an undefined global. Scripts may define globals.
func (h *Host) seal() {
	mt := h.main.CreateTable(0, 0)
	mt.RawSetString("__index", h.main.NewFunction(func(L *lua.LState) int {
		raiseUsage(L, "%s", h.undefined(textOf(L, L.Get(2)), nil))
		return 0
	}))
	mt.RawSetString("__metatable", lua.LString("globals"))
	h.globals.Metatable = mt
}

// undefined returns the message for a global that doesn't exist. others lists names that are suggested beside the
// known globals.
func (h *Host) undefined(name string, others []string) string {
	if why := lualib.UnavailableReason(name); why != "" {
		return name + " is not available in runbooks: " + why
	}
	if near := Suggest(name, append(stringKeys(h.globals), others...)); near != "" {
		return "undefined global " + name + ": did you mean " + near + "?"
	}
	return "undefined global " + name
}
