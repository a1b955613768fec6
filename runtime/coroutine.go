package runtime

import (
	goruntime "runtime"
	"slices"
	"weak"

	lua "github.com/yuin/gopher-lua"
)

// maxCoroutineDepth is how many coroutines may run one inside the other.
const maxCoroutineDepth = 100

// maxCoroutines is how many coroutines may be alive: begun or not, and neither ended nor forgotten.
const maxCoroutines = 1000

const yieldInside = "coroutine.yield: can't yield from inside pcall, or another function that isn't Lua's"

// coroutineOf is the coroutine that L is or runs a protected call of; nil outside of coroutines.
func (h *Host) coroutineOf(L *lua.LState) *lua.LState {
	for h.protected.running[L] {
		L = L.Parent
	}
	if L.Parent == nil {
		return nil
	}
	return L
}

// openCoroutines makes coroutines stop with the task that made them, and refuse to yield where the
// virtual machine would go on with wrong values.
func (h *Host) openCoroutines() {
	t := h.library("coroutine")
	for _, name := range []string{"create", "wrap"} {
		original := t.RawGetString(name)
		t.RawSetString(name, h.main.NewFunction(func(L *lua.LState) int {
			depth := 0
			for p := L; p != nil; p = p.Parent {
				depth++
			}
			if depth > maxCoroutineDepth {
				h.raise(L, h.errorHere(L, "coroutine.%s: coroutines run inside each other deeper than %d", name, maxCoroutineDepth))
			}
			fn, ok := L.Get(1).(*lua.LFunction)
			if !ok {
				h.raise(L, h.errorHere(L, "coroutine.%s: got %s, want function", name, h.typeName(L.Get(1))))
			}
			if len(h.coroutines) >= maxCoroutines && !h.forgetCoroutines() {
				h.raise(L, h.errorHere(L, "coroutine.%s: more than %d coroutines are alive", name, maxCoroutines))
			}
			L.Push(original)
			L.Push(fn)
			L.Call(1, 1)
			thread, ok := L.Get(-1).(*lua.LState)
			if !ok { // wrap gives a function that has the thread as its upvalue
				thread = L.Get(-1).(*lua.LFunction).Upvalues[0].Value().(*lua.LState)
			}
			thread.SetContext(L.Context())
			h.coroutines = append(h.coroutines, weak.Make(thread))
			return 1
		}))
	}
	t.RawSetString("running", h.main.NewFunction(func(L *lua.LState) int {
		if co := h.coroutineOf(L); co != nil {
			L.Push(co)
		} else {
			L.Push(lua.LNil)
		}
		return 1
	}))
	t.RawSetString("yield", h.main.NewFunction(func(L *lua.LState) int {
		switch h.coroutineOf(L) {
		case L:
		case nil:
			h.raise(L, h.errorHere(L, "coroutine.yield: can't yield outside of a coroutine"))
		default:
			h.raise(L, h.errorHere(L, yieldInside))
		}
		for level := 1; level <= 2*callStackSize; level++ { // tail calls count as levels, without end
			frame, ok := L.GetStack(level)
			if !ok {
				break
			}
			if _, err := L.GetInfo("l", frame, lua.LNil); err == nil && frame.CurrentLine < 0 {
				h.raise(L, h.errorHere(L, yieldInside))
			}
		}
		return -1 // yields what is on the stack
	}))
}

// forgetCoroutines takes those that aren't alive any more off the list and tells whether there is
// room for one more.
func (h *Host) forgetCoroutines() bool {
	gone := func(w weak.Pointer[lua.LState]) bool {
		thread := w.Value()
		return thread == nil || thread.Dead
	}
	h.coroutines = slices.DeleteFunc(h.coroutines, gone)
	if len(h.coroutines) >= maxCoroutines {
		goruntime.GC() // finds those that nothing refers to
		h.coroutines = slices.DeleteFunc(h.coroutines, gone)
	}
	return len(h.coroutines) < maxCoroutines
}
