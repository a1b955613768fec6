package runtime

import (
	"bytes"
	"context"

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

// Call calls the function from the implementation of c and on its goroutine, in ctx, which bounds it:
// tasks that it begins end with it. What it raises comes back as *Error, an exit or the end of the
// context as they are.
func (f *Func) Call(ctx context.Context, c *Call, args ...any) (Values, error) {
	var values Values
	var err error
	c.locked(func() {
		values, err = taskOf(c.thread).within(ctx, func() (Values, error) { return c.Host.call(c.thread, f.fn, args) })
	})
	return values, err
}

// Read converts a value as an Any parameter is.
func (c *Call) Read(v Value) any {
	var out any
	c.locked(func() { out = c.Host.conv.fromLua(v.v) })
	return out
}

// JSON writes a value as EncodeJSON does. Objects may hold values of Lua, so it has the baton meanwhile.
func (c *Call) JSON(v any) (text string, err error) {
	var b bytes.Buffer
	c.locked(func() { err = EncodeJSON(&b, v) })
	return b.String(), err
}

// locked runs f, which touches Lua, from an implementation.
func (c *Call) locked(f func()) {
	t := taskOf(c.thread)
	t.scheduler.baton.take(t)
	defer t.scheduler.baton.pass()
	c.thread.G.CurrentThread = c.current
	f()
}
