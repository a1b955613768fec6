package runtime

import (
	lua "github.com/yuin/gopher-lua"
)

// Value is a Lua value that passes through Go unchanged: a Verbatim parameter or a result of a script's function. A
// builtin may return it.
type Value struct{ v lua.LValue }

func (v Value) lua() lua.LValue {
	if v.v == nil {
		return lua.LNil
	}
	return v.v
}

// Truth reports whether the value is neither false nor nil.
func (v Value) Truth() bool { return v.v != nil && lua.LVAsBool(v.v) }

// Object returns the object behind the value: the value itself, or the Source of a record or list; nil if there is
// none.
func (v Value) Object() Object { return sourceOf(v.v) }

// Values are the results of a function. A builtin that returns Values returns all of them to the script.
type Values []Value

// First returns the first value, or nil if there is none.
func (vs Values) First() Value {
	if len(vs) == 0 {
		return Value{lua.LNil}
	}
	return vs[0]
}

// Raised returns the table that a script raised, as with error{code = …}.
func (e *Error) Raised() (Value, bool) {
	if !isTable(e.raised) {
		return Value{}, false
	}
	return Value{e.raised.(lua.LValue)}, true
}

func isTable(v any) bool {
	_, ok := v.(*lua.LTable)
	return ok
}

// Func is a Lua function that a builtin received. It may be kept after the call.
type Func struct{ fn *lua.LFunction }
