package runtime

import (
	"maps"
	goruntime "runtime"
	"slices"
	"weak"

	lua "github.com/yuin/gopher-lua"
)

// maxCoroutineDepth is how many coroutines may run one inside the other.
const maxCoroutineDepth = 100

// maxCoroutines is how many coroutines may be alive: begun or not, and neither ended nor forgotten.
const maxCoroutines = 1000

const activeCoroutine = "can't resume a coroutine that is active: itself, one that runs this one, or another task's"

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

// openCoroutines makes coroutines part of the task that resumes them, and refuse to yield where the
// virtual machine would go on with wrong values.
func (h *Host) openCoroutines() {
	t := h.globals.RawGetString("coroutine").(*lua.LTable)
	create, resume := t.RawGetString("create").(*lua.LFunction), t.RawGetString("resume").(*lua.LFunction)
	wrap := t.RawGetString("wrap").(*lua.LFunction)
	t.RawSetString("create", h.main.NewFunction(func(L *lua.LState) int {
		h.checkNewCoroutine(L, "create")
		create.GFunction(L)
		h.coroutines = append(h.coroutines, weak.Make(L.Get(-1).(*lua.LState)))
		return 1
	}))
	t.RawSetString("wrap", h.main.NewFunction(func(L *lua.LState) int {
		h.checkNewCoroutine(L, "wrap")
		wrap.GFunction(L)
		wrapped := L.Get(-1).(*lua.LFunction) // it has the thread as its upvalue
		thread := wrapped.Upvalues[0].Value().(*lua.LState)
		h.coroutines = append(h.coroutines, weak.Make(thread))
		L.Push(h.main.NewFunction(func(L *lua.LState) int {
			if thread.Parent != nil {
				raiseUsage(L, "coroutine.wrap: "+activeCoroutine)
			}
			if thread.Dead {
				raiseUsage(L, "coroutine.wrap: the coroutine has ended")
			}
			if h.goOn(L, thread, 1) {
				return L.GetTop()
			}
			thread.SetContext(L.Context())
			L.Insert(wrapped, 1)
			L.Call(L.GetTop()-1, lua.MultRet)
			return L.GetTop()
		}))
		return 1
	}))
	t.RawSetString("resume", h.main.NewFunction(func(L *lua.LState) int {
		thread := L.CheckThread(1)
		if thread.Parent != nil {
			L.Push(lua.LFalse)
			L.Push(lua.LString(activeCoroutine))
			return 2
		}
		if h.goOn(L, thread, 2) {
			L.Replace(1, lua.LTrue)
			return L.GetTop()
		}
		thread.SetContext(L.Context())
		n := resume.GFunction(L)
		if L.Get(-n) == lua.LFalse {
			L.Replace(L.GetTop(), reworded(L.Get(-1)))
		}
		return n
	}))
	t.RawSetString("status", h.main.NewFunction(func(L *lua.LState) int {
		switch thread := L.CheckThread(1); {
		case thread.Dead:
			L.Push(lua.LString("dead"))
		case thread == h.coroutineOf(L):
			L.Push(lua.LString("running"))
		case thread.Parent != nil:
			L.Push(lua.LString("normal"))
		default:
			L.Push(lua.LString("suspended"))
		}
		return 1
	}))
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
			raiseUsage(L, "coroutine.yield: can't yield outside of a coroutine")
		default:
			raiseUsage(L, yieldInside)
		}
		if !h.yieldsDirectly() {
			raiseUsage(L, yieldInside)
		}
		h.yields[weak.Make(L)] = wanted(L)
		return -1 // yields what is on the stack
	}))
}

// checkNewCoroutine raises where L may not make one more.
func (h *Host) checkNewCoroutine(L *lua.LState, name string) {
	depth := 0
	for p := L; p != nil; p = p.Parent {
		depth++
	}
	if depth > maxCoroutineDepth {
		raiseUsage(L, "coroutine.%s: coroutines run inside each other deeper than %d", name, maxCoroutineDepth)
	}
	if fn := L.Get(1); fn.Type() != lua.LTFunction {
		raiseUsage(L, "coroutine.%s: got %s, want function", name, typeName(fn))
	}
	if len(h.coroutines) >= maxCoroutines && !h.forgetCoroutines() {
		raiseUsage(L, "coroutine.%s: more than %d coroutines are alive", name, maxCoroutines)
	}
}

// forgetCoroutines takes those that aren't alive any more off the list and tells whether there is
// room for one more.
func (h *Host) forgetCoroutines() bool {
	gone := func(w weak.Pointer[lua.LState]) bool {
		thread := w.Value()
		return thread == nil || thread.Dead
	}
	h.coroutines = slices.DeleteFunc(h.coroutines, gone)
	maps.DeleteFunc(h.yields, func(w weak.Pointer[lua.LState], _ int) bool { return gone(w) })
	if len(h.coroutines) >= maxCoroutines {
		goruntime.GC() // finds those that nothing refers to
		h.coroutines = slices.DeleteFunc(h.coroutines, gone)
	}
	return len(h.coroutines) < maxCoroutines
}
