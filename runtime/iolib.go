package runtime

import (
	"io"

	lua "github.com/yuin/gopher-lua"
)

// openIO makes io: io.write, and the outputs io.stdout and io.stderr.
func (h *Host) openIO() {
	t := h.only("io")
	t.RawSetString("write", h.main.NewFunction(func(L *lua.LState) int {
		h.write(L, "io.write", 1, h.opts.Stdout)
		L.Push(t.RawGetString("stdout"))
		return 1
	}))
	t.RawSetString("stdout", h.output("io.stdout", h.opts.Stdout))
	t.RawSetString("stderr", h.output("io.stderr", h.opts.Stderr))
	h.globals.RawSetString("io", t)
}

// output is a file that can be written to, as Lua's own are; nothing of it waits to be flushed.
func (h *Host) output(name string, w io.Writer) *lua.LUserData {
	L := h.main
	ud := L.NewUserData()
	own := func(L *lua.LState, method string) {
		if L.Get(1) != lua.LValue(ud) {
			raiseUsage(L, "%s:%s: call it with a colon", name, method)
		}
	}
	methods := L.CreateTable(0, 0)
	methods.RawSetString("write", L.NewFunction(func(L *lua.LState) int {
		own(L, "write")
		h.write(L, name+":write", 2, w)
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
			raise(L, noField(L, "output", L.Get(2), stringKeys(methods)))
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

// write writes the arguments from the first one on, texts and numbers.
func (h *Host) write(L *lua.LState, name string, first int, w io.Writer) {
	for i := first; i <= L.GetTop(); i++ {
		v := L.Get(i)
		if !lua.LVCanConvToString(v) {
			raiseUsage(L, "%s: argument %d: got %s, want string", name, i-first+1, typeName(v))
		}
		io.WriteString(w, textOf(L, v))
	}
}
