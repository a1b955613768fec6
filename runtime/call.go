package runtime

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// Call is one call of a builtin or of an object's method. Its arguments are checked and converted.
type Call struct {
	Host *Host
	// Self is the object of a method call, or nil. Receiver is the value on which the method was called: the object, or
	// the record or list of which Self is the Source.
	Self     Object
	Receiver Value
	// Name is the called name as messages show it: "new_store", "results:check".
	Name string
	// File and Line are the position of the call in the script; Line is 0 if unknown.
	File string
	Line int
	// Began is the time of the call.
	Began time.Time

	ctx       context.Context
	thread    *lua.LState // thread that made the call
	current   *lua.LState // current thread of the virtual machine
	spawnSite *callSite   // call site of the tasks that this call spawns
	params    []Param
	values    []any // one for each parameter; nil if absent
	given     []string
}

// Context returns a context that ends when the run is cancelled or its time is over. Code that blocks has to watch
// it.
func (c *Call) Context() context.Context { return c.ctx }

// Declares reports whether the builtin declares the parameter.
func (c *Call) Declares(name string) bool {
	return slices.ContainsFunc(c.params, func(p Param) bool { return p.Name == name })
}

// From returns a copy of the call, with the same arguments, at the position of other.
func (c *Call) From(other *Call) *Call {
	moved := *c
	moved.File, moved.Line = other.File, other.Line
	moved.ctx, moved.thread, moved.current, moved.spawnSite = other.ctx, other.thread, other.current, nil
	return &moved
}

// With returns a call at the same position whose parameters are those of b, with the values of named fields. It returns
// the error that a call of b with them would raise, in the name of this call.
func (c *Call) With(b *Builtin, fields map[string]any) (*Call, error) {
	of := *c
	of.params = b.Params
	var err error
	c.withLock(func() {
		var named lua.LValue
		if named, err = c.Host.conv.toLua(fields); err == nil {
			a := newBinder(c.Host.conv, &of, b)
			err = a.bind([]lua.LValue{named})
			of.values, of.given = a.values, a.given
		}
	})
	return &of, err
}

// Has reports whether the parameter was given or has a default. Like all readers of Call it panics if the builtin
// doesn't declare the parameter.
func (c *Call) Has(name string) bool { return c.Value(name) != nil }

// Given reports whether the caller gave the parameter. A default doesn't count.
func (c *Call) Given(name string) bool {
	for i := range c.params {
		if c.params[i].Name == name {
			return c.given[i] != ""
		}
	}
	panic(fmt.Sprintf("%s declares no parameter %s", c.Name, name))
}

// Value returns the converted parameter, or nil if it is absent: string, int (Integer), float64 (Number), bool,
// []string (Strings), *Func, []any or map[string]any (Table), Value (Verbatim). An Any parameter arrives as one of
// these (a whole number as int), or as Record, List, Object or *Error. A coroutine, or a table with list items and
// other keys, arrives as a value that Format shows and EncodeJSON refuses.
func (c *Call) Value(name string) any {
	for i := range c.params {
		if c.params[i].Name == name {
			return c.values[i]
		}
	}
	panic(fmt.Sprintf("%s declares no parameter %s", c.Name, name))
}

// String returns a String parameter, or "" if it is absent.
func (c *Call) String(name string) string { return typed[string](c, name) }

// Int returns an Integer parameter, or 0 if it is absent.
func (c *Call) Int(name string) int { return typed[int](c, name) }

// Float returns a Number parameter, or 0 if it is absent.
func (c *Call) Float(name string) float64 { return typed[float64](c, name) }

// Bool returns a Boolean parameter, or false if it is absent.
func (c *Call) Bool(name string) bool { return typed[bool](c, name) }

// Strings returns a Strings parameter, or nil if it is absent.
func (c *Call) Strings(name string) []string { return typed[[]string](c, name) }

// Func returns a Function parameter, or nil if it is absent.
func (c *Call) Func(name string) *Func { return typed[*Func](c, name) }

func typed[T any](c *Call, name string) T {
	var zero T
	v := c.Value(name)
	if v == nil {
		return zero
	}
	t, ok := v.(T)
	if !ok {
		panic(fmt.Sprintf("%s: parameter %s is a %T, not a %T", c.Name, name, v, zero))
	}
	return t
}

// Misuse returns an error about a parameter's value, at the caller's position: "new_store: parameter name: …", with
// the code usage.
func (c *Call) Misuse(param, format string, args ...any) error {
	return c.Errorf(CodeUsage, "%s: parameter %s: %s", c.Name, param, fmt.Sprintf(format, args...))
}

// Errorf returns an error at the caller's position. The message is used as it is, without the builtin's name.
func (c *Call) Errorf(code, format string, args ...any) *Error {
	return &Error{Message: fmt.Sprintf(format, args...), Code: code, File: c.File, Line: c.Line}
}

// invoke calls a builtin with the arguments on the stack of L. Only the steps before and after run use Lua: other
// tasks use it while the builtin runs.
func (h *Host) invoke(L *lua.LState, b *Builtin, name string, self Object, skip int) int {
	c := &Call{Host: h, Self: self, Name: name, Began: time.Now(), params: b.Params, thread: L,
		current: h.main.G.CurrentThread}
	c.File, c.Line = position(L)
	task := taskOf(L)
	c.ctx = task.context()
	if self != nil {
		c.Receiver = Value{L.Get(1)}
	}
	values, err := h.conv.arguments(L, c, b, skip)
	if err != nil {
		raise(L, err)
	}
	c.values = values

	var result any
	task.withoutLock(func() { result, err = run(b, c) })
	if err != nil {
		raise(L, c.locate(err))
	}
	if values, ok := result.(Values); ok {
		for _, v := range values {
			L.Push(v.v)
		}
		return len(values)
	}
	lv, err := h.conv.toLua(result)
	if err != nil {
		raise(L, c.bug(fmt.Sprintf("its result: %v", err), ""))
	}
	L.Push(lv)
	return 1
}

// run calls the implementation and turns a panic into an error.
func run(b *Builtin, c *Call) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = c.bug(fmt.Sprint(p), string(debug.Stack()))
		}
	}()
	if before := c.Host.opts.BeforeCall; before != nil {
		before()
	}
	return b.Impl(c)
}

func (c *Call) bug(what, stack string) *Error {
	e := c.Errorf(CodeBug, "%s: bug in dkvrun: %s", c.Name, what)
	e.Hint, e.Traceback = bugHint, stack
	return e
}

// locate adds the caller's position to an error of an implementation. It also adds the builtin's name unless the
// error is an *Error, whose message is complete.
func (c *Call) locate(err error) error {
	var exit *Exit
	if errors.As(err, &exit) {
		return err
	}
	e, ok := err.(*Error)
	if !ok {
		return &Error{Message: c.Name + ": " + err.Error(), File: c.File, Line: c.Line, Cause: err}
	}
	if e.Line != 0 {
		return e
	}
	placed := *e
	placed.File, placed.Line = c.File, c.Line
	return &placed
}

// Call calls the function in ctx. The implementation of c has to call it on its own goroutine. Tasks that the
// function spawns end with ctx. A raised error comes back as *Error, an exit or the end of the context as it is.
func (f *Func) Call(ctx context.Context, c *Call, args ...any) (Values, error) {
	var values Values
	var err error
	c.withLock(func() {
		values, err = taskOf(c.thread).inScope(ctx, func() (Values, error) { return c.Host.call(c.thread, f.fn, args) })
	})
	return values, err
}

// Read converts a value as an Any parameter is converted.
func (c *Call) Read(v Value) any {
	var out any
	c.withLock(func() { out = c.Host.conv.fromLua(v.v) })
	return out
}

// JSON returns a value as EncodeJSON writes it, at most 64 MiB. It ends early if the task has to stop. It holds the
// interpreter lock, since objects may hold Lua values.
func (c *Call) JSON(v any) (text string, err error) {
	e := jsonEncoder{limit: defaultLimits.parts, stopped: c.Host.conv.stopped}
	c.withLock(func() { err = e.value(v, 0) })
	return e.out.String(), err
}

// withLock lets an implementation run f, which uses Lua.
func (c *Call) withLock(f func()) {
	taskOf(c.thread).withLock(c.current, f)
}

// Library returns the function that a module of the standard library returns. The module is loaded at its first use,
// and only from the standard library: a script's module of the same name is not used.
func (c *Call) Library(module string) (*Func, error) {
	var fn *Func
	var err error
	c.withLock(func() {
		fn, err = c.Host.modules.library(module,
			func(chunk *lua.LFunction) (Values, error) { return c.Host.call(c.thread, chunk, nil) })
	})
	return fn, err
}
