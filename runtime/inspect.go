package runtime

import (
	"dkvrun/runtime/lualib"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// The methods here serve tools that read scripts. They run nothing.

// Compiles returns the error of compiling a source, an *Error with the line, or nil.
func (h *Host) Compiles(name string, src []byte) error {
	_, err := h.compiler.compile(name, src)
	return err
}

// Module returns the file that require would read for a name. Its error is that of require.
func (h *Host) Module(name string) (file string, src []byte, err error) {
	return h.modules.find(h.main, name)
}

// Loaded reports whether require returns a module of this name without looking for a file.
func (h *Host) Loaded(name string) bool { return lua.LVAsBool(h.modules.loaded.RawGetString(name)) }

// Undefined returns the message of the error that reading a global raises, or "" if the global exists. others lists
// names that the script defines.
func (h *Host) Undefined(name string, others []string) string {
	if h.globals.RawGetString(name) != lua.LNil {
		return ""
	}
	return h.undefined(name, others)
}

// UndefinedField returns the message of the error that reading or calling library.field raises, or "" if there is
// none. library is a library of Lua, a table of builtins or a function; for other names the result is "".
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
	if t.Metatable == lua.LNil { // reading returns nil: "table.unpack or unpack" is correct
		if !called {
			return ""
		}
		names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, "__") })
		slices.Sort(names)
	}
	return noFieldMessage(library, field, names)
}

// UndefinedMember returns the message for an unknown field or method of a builtin's result; names lists the known
// ones.
func UndefinedMember(owner, name string, names []string) string {
	return noFieldMessage(owner, name, names)
}

// CheckCall returns the errors that a call of b as name is sure to raise, with the messages of a run. It runs only
// the parameters' checks.
func (h *Host) CheckCall(b *Builtin, name string, args []any) []CallError {
	a := newBinder(h.conv, &Call{Host: h, Name: name}, b)
	a.static = &staticCall{binder: &a, named: -1, uncertain: make([]bool, len(b.Params))}
	a.bind(a.static.arguments(args))
	return a.static.errors
}
