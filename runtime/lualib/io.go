package lualib

import (
	"io"

	lua "github.com/yuin/gopher-lua"
)

// openIO sets the global io, with io.write, io.stdout and io.stderr.
func openIO(L *lua.LState, e *Env) {
	t := restricted(L, e, "io")
	lib := ioLibrary{e}
	t.RawSetString("write", L.NewFunction(func(L *lua.LState) int {
		lib.write(L, 1, e.Stdout)
		L.Push(t.RawGetString("stdout"))
		return 1
	}))
	t.RawSetString("stdout", lib.output(L, "io.stdout", e.Stdout))
	t.RawSetString("stderr", lib.output(L, "io.stderr", e.Stderr))
	L.G.Global.RawSetString("io", t)
}

type ioLibrary struct{ *Env }

// output returns a file that a script can write to. It has no buffer, so flush does nothing.
func (lib ioLibrary) output(L *lua.LState, name string, w io.Writer) *lua.LUserData {
	ud := L.NewUserData()
	own := func(L *lua.LState, method string) {
		if L.Get(1) != lua.LValue(ud) {
			lib.Raise(L, "%s:%s: call it with a colon", name, method)
		}
	}
	methods := L.CreateTable(0, 0)
	methods.RawSetString("write", L.NewFunction(func(L *lua.LState) int {
		own(L, "write")
		lib.write(L, 2, w)
		L.Push(ud)
		return 1
	}))
	for _, method := range []string{"flush", "setvbuf"} {
		methods.RawSetString(method, L.NewFunction(func(L *lua.LState) int {
			own(L, method)
			L.Push(ud)
			return 1
		}))
	}
	mt := L.CreateTable(0, 0)
	mt.RawSetString("__index", L.NewFunction(func(L *lua.LState) int {
		fn := methods.RawGet(L.Get(2))
		if fn == lua.LNil {
			lib.RaiseNoField(L, "output", L.Get(2), stringKeys(methods))
		}
		L.Push(fn)
		return 1
	}))
	mt.RawSetString("__tostring", L.NewFunction(func(L *lua.LState) int {
		L.Push(lua.LString("file (" + name + ")"))
		return 1
	}))
	mt.RawSetString("__metatable", lua.LString("output"))
	ud.Metatable = mt
	return ud
}

// write writes the arguments from first on. They are strings or numbers.
func (lib ioLibrary) write(L *lua.LState, first int, w io.Writer) {
	for i := first; i <= L.GetTop(); i++ {
		v := L.Get(i)
		if !lua.LVCanConvToString(v) {
			lib.badType(L, i, "string")
		}
		io.WriteString(w, lib.Text(L, v))
	}
}
