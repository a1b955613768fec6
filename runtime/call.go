package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// Call is one call of a builtin or of an object's method, with its arguments checked and converted.
type Call struct {
	Host *Host
	// Self is the object of a method call, nil otherwise.
	Self Object
	// Name is what was called, as errors say it: "new_store", "results:check".
	Name string
	// File and Line are the place in the script that made the call; Line 0 where there is none.
	File string
	Line int
	// Began is when the call was made.
	Began time.Time

	ctx       context.Context
	thread    *lua.LState // that made the call
	current   *lua.LState // that the virtual machine takes for the current one
	spawnSite *callSite   // of the tasks that the call begins
	params    []Param
	values    []any // one a parameter; nil where absent
	given     []string
}

// Context is done when the run is cancelled or its time is over. What blocks has to watch it.
func (c *Call) Context() context.Context { return c.ctx }

// Declares tells whether the builtin has such a parameter at all.
func (c *Call) Declares(name string) bool {
	return slices.ContainsFunc(c.params, func(p Param) bool { return p.Name == name })
}

// From is the same call, with its arguments, as if it were made where other is.
func (c *Call) From(other *Call) *Call {
	moved := *c
	moved.File, moved.Line = other.File, other.Line
	moved.ctx, moved.thread, moved.current, moved.spawnSite = other.ctx, other.thread, other.current, nil
	return &moved
}

// Has tells whether the parameter was given or has a default. It panics, as all of Call's readers
// do, when the builtin doesn't declare a parameter of that name.
func (c *Call) Has(name string) bool { return c.Value(name) != nil }

// Given tells whether the caller gave the parameter; a default doesn't count.
func (c *Call) Given(name string) bool {
	for i := range c.params {
		if c.params[i].Name == name {
			return c.given[i] != ""
		}
	}
	panic(fmt.Sprintf("%s declares no parameter %s", c.Name, name))
}

// Value is the parameter as it was converted, nil where absent: string, int (Integer), float64
// (Number), bool, []string (Strings), *Func, []any or map[string]any (Table), Value (Verbatim). Any is each of
// these as it comes, a whole number as int, and also Record, List, Object, *Error, or something that
// Format can show and EncodeJSON refuses (a coroutine, a table with list items and other keys).
func (c *Call) Value(name string) any {
	for i := range c.params {
		if c.params[i].Name == name {
			return c.values[i]
		}
	}
	panic(fmt.Sprintf("%s declares no parameter %s", c.Name, name))
}

// String is a String parameter, "" where absent.
func (c *Call) String(name string) string { return typed[string](c, name) }

// Int is an Integer parameter, 0 where absent.
func (c *Call) Int(name string) int { return typed[int](c, name) }

// Float is a Number parameter, 0 where absent.
func (c *Call) Float(name string) float64 { return typed[float64](c, name) }

// Bool is a Boolean parameter, false where absent.
func (c *Call) Bool(name string) bool { return typed[bool](c, name) }

// Strings is a Strings parameter, nil where absent.
func (c *Call) Strings(name string) []string { return typed[[]string](c, name) }

// Func is a Function parameter, nil where absent.
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

// Misuse is the error of a parameter whose value can't be used, at the caller's place:
// "new_store: parameter name: …", code usage.
func (c *Call) Misuse(param, format string, args ...any) error {
	return c.Errorf(CodeUsage, "%s: parameter %s: %s", c.Name, param, fmt.Sprintf(format, args...))
}

// Errorf is an error at the caller's place. The message stands as it is, without the builtin's name.
func (c *Call) Errorf(code, format string, args ...any) *Error {
	return &Error{Message: fmt.Sprintf(format, args...), Code: code, File: c.File, Line: c.Line}
}

// invoke calls a builtin with what is on the stack of L. All that touches Lua is done before and
// after run, never by the builtin itself: other tasks go on meanwhile.
func (h *Host) invoke(L *lua.LState, b *Builtin, name string, self Object, skip int) int {
	c := &Call{Host: h, Self: self, Name: name, Began: time.Now(), params: b.Params, thread: L, current: h.main.G.CurrentThread}
	c.File, c.Line = position(L)
	task := taskOf(L)
	c.ctx = task.context()
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

// locate gives an implementation's error the caller's place, and the builtin's name where the error
// isn't an *Error, which says all itself.
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

// Call calls the function from the implementation of c and on its goroutine, in ctx, which bounds it:
// tasks that it begins end with it. What it raises comes back as *Error, an exit or the end of the
// context as they are.
func (f *Func) Call(ctx context.Context, c *Call, args ...any) (Values, error) {
	var values Values
	var err error
	c.withLock(func() {
		values, err = taskOf(c.thread).inScope(ctx, func() (Values, error) { return c.Host.call(c.thread, f.fn, args) })
	})
	return values, err
}

// Read converts a value as an Any parameter is.
func (c *Call) Read(v Value) any {
	var out any
	c.withLock(func() { out = c.Host.conv.fromLua(v.v) })
	return out
}

// JSON writes a value as EncodeJSON does. Objects may hold values of Lua, so it holds the interpreter lock meanwhile.
func (c *Call) JSON(v any) (text string, err error) {
	var b bytes.Buffer
	c.withLock(func() { err = EncodeJSON(&b, v) })
	return b.String(), err
}

// locked runs f, which touches Lua, from an implementation.
func (c *Call) withLock(f func()) {
	taskOf(c.thread).withLock(c.current, f)
}

// Library is the function that a module of the standard library returns. The module is loaded at its
// first use, from nowhere else: a script's own module of that name does not take its place.
func (c *Call) Library(module string) (*Func, error) {
	var fn *Func
	var err error
	c.withLock(func() {
		fn, err = c.Host.modules.library(module, func(chunk *lua.LFunction) (Values, error) { return c.Host.call(c.thread, chunk, nil) })
	})
	return fn, err
}
