package runtime

import (
	lua "github.com/yuin/gopher-lua"
)

// Value is a Lua value that passes through Go as it is: what a Verbatim parameter arrives as, and what
// functions of scripts return. A builtin may return it.
type Value struct{ v lua.LValue }

func (v Value) lua() lua.LValue {
	if v.v == nil {
		return lua.LNil
	}
	return v.v
}

// Truth tells whether the value is neither false nor nil.
func (v Value) Truth() bool { return v.v != nil && lua.LVAsBool(v.v) }

// Object is the object that the value is, or nil.
func (v Value) Object() Object { return objectOf(v.v) }

// Values are several of them; a builtin that returns Values returns each of them to the script.
type Values []Value

// First is the first value, nil where there is none.
func (vs Values) First() Value {
	if len(vs) == 0 {
		return Value{lua.LNil}
	}
	return vs[0]
}

// Raised is the table that a script raised, where it raised one: error{code = …}.
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

// Func is a Lua function that a builtin was given. It may be kept beyond the call.
type Func struct{ fn *lua.LFunction }
