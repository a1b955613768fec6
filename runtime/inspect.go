package runtime

import (
	"dkvrun/runtime/lualib"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// What a tool that reads scripts can ask a host, which then runs nothing.

// Compiles says why a source can't be run: an *Error with the line, nil where it can.
func (h *Host) Compiles(name string, src []byte) error {
	_, err := h.compiler.compile(name, src)
	return err
}

// Module finds the file that require would read for a name. Its error is that of require.
func (h *Host) Module(name string) (file string, src []byte, err error) {
	return h.modules.find(h.main, name)
}

// Loaded tells whether require gives a module of this name without looking for it.
func (h *Host) Loaded(name string) bool { return lua.LVAsBool(h.modules.loaded.RawGetString(name)) }

// Undefined says what reading a global raises; "" where there is one of that name. Others are names
// that the script defines.
func (h *Host) Undefined(name string, others []string) string {
	if h.globals.RawGetString(name) != lua.LNil {
		return ""
	}
	return h.undefined(name, others)
}

// UndefinedField says what is wrong with reading library.field, or with calling it, where library is
// one of Lua's own, a table of builtins or a function; "" where nothing is, or there is no such library.
func (h *Host) UndefinedField(library, field string, called bool) string {
	global := h.globals.RawGetString(library)
	if global.Type() == lua.LTFunction {
		return "attempt to index a function value with key '" + field + "'"
	}
	t, ok := global.(*lua.LTable)
	if !ok || library == "arg" || library == "_G" || t.RawGetString(field) != lua.LNil {
		return ""
	}
	names := stringKeys(t)
	closed := lualib.UnavailableReason(library+"."+field) != ""
	if library == "package" && !closed || !called && lualib.IsUnavailable(library, field) {
		return ""
	}
	if t.Metatable == lua.LNil { // reading gives nil: "table.unpack or unpack" is nothing wrong
		if !called {
			return ""
		}
		names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, "__") })
		slices.Sort(names)
	}
	return noFieldMessage(library, field, names)
}

// UndefinedMember says what reading a field or method of what a builtin returned raises; names are
// those it has.
func UndefinedMember(owner, name string, names []string) string {
	return noFieldMessage(owner, name, names)
}

// Refusals lists what a call of b as name would raise for sure, in the words of a run. It calls
// nothing but the parameters' checks.
func (h *Host) CheckCall(b *Builtin, name string, args []any) []CallError {
	a := newBinder(h.conv, &Call{Host: h, Name: name}, b)
	a.static = &staticCall{binder: &a, named: -1, uncertain: make([]bool, len(b.Params))}
	a.bind(a.static.arguments(args))
	return a.static.errors
}
