package runtime

import (
	"context"

	lua "github.com/yuin/gopher-lua"
)

// Func is a Lua function that a builtin was given. It may be kept beyond the call.
type Func struct {
	host *Host
	fn   *lua.LFunction
}

// Call calls the function in the context of what is running. What it raises comes back as *Error,
// an exit or the end of the context as they are.
func (f *Func) Call(args ...any) ([]any, error) {
	return f.host.call(f.fn, args)
}

// CallContext calls the function with another context, which bounds it alone: this is how clean-ups
// run after the run's own context has ended.
func (f *Func) CallContext(ctx context.Context, args ...any) ([]any, error) {
	leave := f.host.task.enter(ctx)
	defer leave()
	return f.host.call(f.fn, args)
}
