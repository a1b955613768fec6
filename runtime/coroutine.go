package runtime

import (
	"maps"
	goruntime "runtime"
	"slices"
	"strings"
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
	t := h.library("coroutine")
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
				h.raise(L, h.errorHere(L, "coroutine.wrap: "+activeCoroutine))
			}
			if thread.Dead {
				h.raise(L, h.errorHere(L, "coroutine.wrap: the coroutine has ended"))
			}
			if h.endsNow(thread) {
				return L.GetTop()
			}
			thread.SetContext(L.Context())
			L.Insert(wrapped, 1)
			L.Call(L.GetTop()-1, lua.MultRet)
			h.noteLastYield(thread)
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
		if h.endsNow(thread) {
			L.Replace(1, lua.LTrue)
			return L.GetTop()
		}
		thread.SetContext(L.Context())
		n := resume.GFunction(L)
		if L.Get(-n) == lua.LFalse {
			L.Replace(L.GetTop(), reworded(L.Get(-1)))
		}
		h.noteLastYield(thread)
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
			h.raise(L, h.errorHere(L, "coroutine.yield: can't yield outside of a coroutine"))
		default:
			h.raise(L, h.errorHere(L, yieldInside))
		}
		if !h.yieldsDirectly() {
			h.raise(L, h.errorHere(L, yieldInside))
		}
		return -1 // yields what is on the stack
	}))
}

// noteLastYield notes that a coroutine's function ended with return coroutine.yield(…): nothing is left of
// it then, and the virtual machine crashes when it goes on.
func (h *Host) noteLastYield(thread *lua.LState) {
	if _, runs := thread.GetStack(0); !runs && !thread.Dead {
		h.lastYields[weak.Make(thread)] = true
	}
}

// endsNow ends a coroutine of which only the values that it is resumed with are still to be returned, and
// tells whether it is one.
func (h *Host) endsNow(thread *lua.LState) bool {
	key := weak.Make(thread)
	if !h.lastYields[key] {
		return false
	}
	delete(h.lastYields, key)
	thread.Dead = true
	return true
}

// calls are the innermost calls of Go's stack.
type calls [6]uintptr

// yieldsDirectly tells whether the loop that a coroutine runs in called coroutine.yield. A loop inside
// it, which runs a metamethod, an iterator or a callback for Go code, would go on with wrong values, or
// crash; only Go's stack shows which one it is.
func (h *Host) yieldsDirectly() bool {
	var stack calls
	goruntime.Callers(2, stack[:])
	direct, known := h.directYields[stack]
	if known {
		return direct
	}
	frames := goruntime.CallersFrames(stack[:])
	for more, inLoop := true, false; more && !direct; {
		var frame goruntime.Frame
		frame, more = frames.Next()
		if inLoop {
			direct = strings.HasSuffix(frame.Function, ".threadRun")
			break
		}
		inLoop = strings.HasSuffix(frame.Function, ".mainLoopWithContext")
	}
	h.directYields[stack] = direct
	return direct
}

// checkNewCoroutine raises where L may not make one more.
func (h *Host) checkNewCoroutine(L *lua.LState, name string) {
	depth := 0
	for p := L; p != nil; p = p.Parent {
		depth++
	}
	if depth > maxCoroutineDepth {
		h.raise(L, h.errorHere(L, "coroutine.%s: coroutines run inside each other deeper than %d", name, maxCoroutineDepth))
	}
	if fn := L.Get(1); fn.Type() != lua.LTFunction {
		h.raise(L, h.errorHere(L, "coroutine.%s: got %s, want function", name, h.typeName(fn)))
	}
	if len(h.coroutines) >= maxCoroutines && !h.forgetCoroutines() {
		h.raise(L, h.errorHere(L, "coroutine.%s: more than %d coroutines are alive", name, maxCoroutines))
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
	maps.DeleteFunc(h.lastYields, func(w weak.Pointer[lua.LState], _ bool) bool { return gone(w) })
	if len(h.coroutines) >= maxCoroutines {
		goruntime.GC() // finds those that nothing refers to
		h.coroutines = slices.DeleteFunc(h.coroutines, gone)
	}
	return len(h.coroutines) < maxCoroutines
}
