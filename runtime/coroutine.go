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
func (c *coroutines) coroutineOf(L *lua.LState) *lua.LState {
	for c.protected.running[L] {
		L = L.Parent
	}
	if L.Parent == nil {
		return nil
	}
	return L
}

// coroutines keeps account of the coroutines of one Lua state.
type coroutines struct {
	protected *protectedThreads
	alive     []weak.Pointer[lua.LState]       // and some that aren't any more: see forgetCoroutines
	yields    map[weak.Pointer[lua.LState]]int // how many values coroutine.yield is to give, of those that yielded
	// directYields is whether coroutine.yield may be called from there: see yieldsDirectly.
	directYields map[calls]bool
}

// openCoroutines makes coroutines part of the task that resumes them, and refuse to yield where the
// virtual machine would go on with wrong values.
func openCoroutines(L *lua.LState, protected *protectedThreads) {
	c := &coroutines{protected: protected, yields: map[weak.Pointer[lua.LState]]int{}, directYields: map[calls]bool{}}
	t := L.G.Global.RawGetString("coroutine").(*lua.LTable)
	create, resume := t.RawGetString("create").(*lua.LFunction), t.RawGetString("resume").(*lua.LFunction)
	wrap := t.RawGetString("wrap").(*lua.LFunction)
	t.RawSetString("create", L.NewFunction(func(L *lua.LState) int {
		c.checkNewCoroutine(L, "create")
		create.GFunction(L)
		c.alive = append(c.alive, weak.Make(L.Get(-1).(*lua.LState)))
		return 1
	}))
	t.RawSetString("wrap", L.NewFunction(func(L *lua.LState) int {
		c.checkNewCoroutine(L, "wrap")
		wrap.GFunction(L)
		wrapped := L.Get(-1).(*lua.LFunction) // it has the thread as its upvalue
		thread := wrapped.Upvalues[0].Value().(*lua.LState)
		c.alive = append(c.alive, weak.Make(thread))
		L.Push(L.NewFunction(func(L *lua.LState) int {
			if thread.Parent != nil {
				raiseUsage(L, "coroutine.wrap: "+activeCoroutine)
			}
			if thread.Dead {
				raiseUsage(L, "coroutine.wrap: the coroutine has ended")
			}
			if c.goOn(L, thread, 1) {
				return L.GetTop()
			}
			thread.SetContext(L.Context())
			L.Insert(wrapped, 1)
			L.Call(L.GetTop()-1, lua.MultRet)
			return L.GetTop()
		}))
		return 1
	}))
	t.RawSetString("resume", L.NewFunction(func(L *lua.LState) int {
		thread := L.CheckThread(1)
		if thread.Parent != nil {
			L.Push(lua.LFalse)
			L.Push(lua.LString(activeCoroutine))
			return 2
		}
		if c.goOn(L, thread, 2) {
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
	t.RawSetString("status", L.NewFunction(func(L *lua.LState) int {
		switch thread := L.CheckThread(1); {
		case thread.Dead:
			L.Push(lua.LString("dead"))
		case thread == c.coroutineOf(L):
			L.Push(lua.LString("running"))
		case thread.Parent != nil:
			L.Push(lua.LString("normal"))
		default:
			L.Push(lua.LString("suspended"))
		}
		return 1
	}))
	t.RawSetString("running", L.NewFunction(func(L *lua.LState) int {
		if co := c.coroutineOf(L); co != nil {
			L.Push(co)
		} else {
			L.Push(lua.LNil)
		}
		return 1
	}))
	t.RawSetString("yield", L.NewFunction(func(L *lua.LState) int {
		switch c.coroutineOf(L) {
		case L:
		case nil:
			raiseUsage(L, "coroutine.yield: can't yield outside of a coroutine")
		default:
			raiseUsage(L, yieldInside)
		}
		if !c.yieldsDirectly() {
			raiseUsage(L, yieldInside)
		}
		c.yields[weak.Make(L)] = wanted(L)
		return -1 // yields what is on the stack
	}))
}

// checkNewCoroutine raises where L may not make one more.
func (c *coroutines) checkNewCoroutine(L *lua.LState, name string) {
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
	if len(c.alive) >= maxCoroutines && !c.forgetCoroutines() {
		raiseUsage(L, "coroutine.%s: more than %d coroutines are alive", name, maxCoroutines)
	}
}

// forgetCoroutines takes those that aren't alive any more off the list and tells whether there is
// room for one more.
func (c *coroutines) forgetCoroutines() bool {
	gone := func(w weak.Pointer[lua.LState]) bool {
		thread := w.Value()
		return thread == nil || thread.Dead
	}
	c.alive = slices.DeleteFunc(c.alive, gone)
	maps.DeleteFunc(c.yields, func(w weak.Pointer[lua.LState], _ int) bool { return gone(w) })
	if len(c.alive) >= maxCoroutines {
		goruntime.GC() // finds those that nothing refers to
		c.alive = slices.DeleteFunc(c.alive, gone)
	}
	return len(c.alive) < maxCoroutines
}
