package runtime

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// bindGlobals makes the globals. A name with a dot is a field of the global before the dot, a table
// which can be called where that name is declared too.
func (h *Host) bindGlobals(builtins []Builtin) {
	L := h.main
	spaces := map[string]*lua.LTable{}
	for i := range builtins {
		if space, _, ok := strings.Cut(builtins[i].Name, "."); ok && spaces[space] == nil {
			t, isTable := h.globals.RawGetString(space).(*lua.LTable)
			if !isTable {
				t = L.CreateTable(0, 0)
				t.Metatable = h.namespaceMetatable(space, t)
			}
			spaces[space] = t
			h.globals.RawSetString(space, t)
		}
	}
	for i := range builtins {
		b := &builtins[i]
		space, field, nested := strings.Cut(b.Name, ".")
		switch {
		case nested:
			spaces[space].RawSetString(field, h.bindFunction(b, 0))
		case spaces[b.Name] != nil:
			spaces[b.Name].Metatable.(*lua.LTable).RawSetString("__call", h.bindFunction(b, 1))
		default:
			h.globals.RawSetString(b.Name, h.bindFunction(b, 0))
		}
	}
}

// namespaceMetatable makes a table of builtins refuse fields that it doesn't have.
func (h *Host) namespaceMetatable(name string, t *lua.LTable) *lua.LTable {
	mt := h.main.CreateTable(0, 3)
	mt.RawSetString("__metatable", lua.LString(name))
	mt.RawSetString("__index", h.main.NewFunction(func(L *lua.LState) int {
		raiseNoField(L, name, L.Get(2), stringKeys(t))
		return 0
	}))
	return mt
}

// bindFunction makes the Lua function of a builtin; the first skip arguments aren't its own.
func (h *Host) bindFunction(b *Builtin, skip int) *lua.LFunction {
	return h.main.NewFunction(func(L *lua.LState) int {
		return h.invoke(L, b, b.Name, nil, skip)
	})
}

func (h *Host) bindMethod(ot *ObjectType, b *Builtin) *lua.LFunction {
	name := ot.Name + ":" + b.Name
	return h.main.NewFunction(func(L *lua.LState) int {
		self := objectOf(L.Get(1))
		if self == nil || self.ObjectType() != ot {
			raiseUsage(L, "%s: called on a %s: call it with a colon", name, typeName(L.Get(1)))
		}
		return h.invoke(L, b, name, self, 1)
	})
}

// invoke calls a builtin with what is on the stack of L. All that touches Lua is done before and
// after run, never by the builtin itself: other tasks go on meanwhile.
func (h *Host) invoke(L *lua.LState, b *Builtin, name string, self Object, skip int) int {
	c := &Call{Host: h, Self: self, Name: name, Began: time.Now(), params: b.Params, thread: L, current: h.main.G.CurrentThread}
	c.File, c.Line = place(L)
	task := taskOf(L)
	c.ctx = task.scope.ctx
	values, err := h.conv.arguments(L, c, b, skip)
	if err != nil {
		raise(L, err)
	}
	c.values = values

	var result any
	task.unlocked(func() { result, err = run(b, c) })
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
