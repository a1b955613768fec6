package runtime

import (
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// modules is the state of require.
type modules struct {
	loaded, preload *lua.LTable // those of package
	loading         map[string]*loading
}

// loading is a module that a task loads.
type loading struct {
	by   *task
	done chan struct{}
}

func (h *Host) module(L *lua.LState, name string) (lua.LValue, error) {
	if !isModuleName(name) {
		return nil, usageError(L, "require: %q is not a module's name: letters, digits, _ and -, with dots for folders", name)
	}
	t := taskOf(L)
	for {
		if v := h.modules.loaded.RawGetString(name); lua.LVAsBool(v) {
			return v, nil
		}
		if i := slices.Index(t.loading, name); i >= 0 {
			chain := append(slices.Clone(t.loading[i:]), name)
			return nil, usageError(L, "require: modules require each other: %s", strings.Join(chain, " → "))
		}
		other := h.modules.loading[name]
		if other == nil {
			return h.loadModule(L, t, name)
		}
		if other.waitsFor(t) {
			return nil, usageError(L, "require: modules require each other, in two tasks: %s and %s", t.loading[len(t.loading)-1], name)
		}
		t.awaits = other
		t.unlocked(func() {
			select {
			case <-other.done:
			case <-t.scope.ctx.Done():
			}
		})
		t.awaits = nil
		if err := t.scope.stopped(); err != nil {
			return nil, err
		}
	}
}

// waitsFor tells whether the module will only be loaded once t has loaded one of its own.
func (l *loading) waitsFor(t *task) bool {
	for ; l != nil; l = l.by.awaits {
		if l.by == t {
			return true
		}
	}
	return false
}

func (h *Host) loadModule(L *lua.LState, t *task, name string) (lua.LValue, error) {
	fn, err := h.loader(L, name)
	if err != nil {
		return nil, err
	}
	mine := &loading{by: t, done: make(chan struct{})}
	h.modules.loading[name] = mine
	depth := len(t.loading)
	t.loading = append(t.loading, name)
	defer func() {
		t.loading = t.loading[:depth]
		delete(h.modules.loading, name)
		close(mine.done)
	}()
	L.Push(fn)
	L.Push(lua.LString(name))
	L.Call(1, 1)
	v := L.Get(-1)
	L.Pop(1)
	if v == lua.LNil {
		v = h.modules.loaded.RawGetString(name) // a module may set it itself
	}
	if !lua.LVAsBool(v) {
		v = lua.LTrue
	}
	h.modules.loaded.RawSetString(name, v)
	return v, nil
}

// loader is the function that makes a module: that of package.preload, or its source.
func (h *Host) loader(L *lua.LState, name string) (*lua.LFunction, error) {
	if fn, ok := h.modules.preload.RawGetString(name).(*lua.LFunction); ok {
		return fn, nil
	}
	file, src, err := h.findModule(L, name)
	if err != nil {
		return nil, err
	}
	return h.compile(file, src)
}
