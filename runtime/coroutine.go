package runtime

import (
	"maps"
	goruntime "runtime"
	"slices"
	"weak"

	lua "github.com/yuin/gopher-lua"
)

// maxCoroutineDepth limits how deep coroutines run inside each other.
const maxCoroutineDepth = 100

// maxCoroutines limits the number of coroutines that have not ended and are still reachable.
const maxCoroutines = 1000

const (
	activeCoroutine = "can't resume a coroutine that is active: itself, one that runs this one, or another task's"
	endedCoroutine  = "cannot resume dead coroutine"
)

const yieldInside = "coroutine.yield: can't yield from inside pcall, or another function that isn't Lua's"

// coroutineOf returns the coroutine that L is, or whose protected call L runs. Outside of coroutines it returns nil.
func (c *coroutines) coroutineOf(L *lua.LState) *lua.LState {
	for c.protected.running[L] {
		L = L.Parent
	}
	if L.Parent == nil {
		return nil
	}
	return L
}

// coroutines holds the coroutines of one Lua state.
type coroutines struct {
	protected *protectedThreads
	alive     []weak.Pointer[lua.LState]       // may include ended coroutines: see forgetCoroutines
	yields    map[weak.Pointer[lua.LState]]int // how many values coroutine.yield returns, by suspended coroutine
	// directYields caches the results of yieldsDirectly.
	directYields map[calls]bool
}

// openCoroutines replaces the functions of the library coroutine. With the replacements a coroutine belongs to the task
// that resumes it, and a yield raises an error where the virtual machine would continue with wrong values.
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
		wrapped := L.Get(-1).(*lua.LFunction) // the thread is its upvalue
		thread := wrapped.Upvalues[0].Value().(*lua.LState)
		c.alive = append(c.alive, weak.Make(thread))
		failed := false // gopher-lua leaves a coroutine active if an error ended it
		L.Push(L.NewFunction(func(L *lua.LState) int {
			if thread.Dead || failed {
				raiseUsage(L, endedCoroutine)
			}
			if thread.Parent != nil {
				raiseUsage(L, "coroutine.wrap: "+activeCoroutine)
			}
			if c.prepareResume(L, thread, 1) {
				return L.GetTop()
			}
			thread.SetContext(L.Context())
			L.Insert(wrapped, 1)
			returned := false
			defer func() { failed = !returned }()
			L.Call(L.GetTop()-1, lua.MultRet)
			returned = true
			return L.GetTop()
		}))
		return 1
	}))
	t.RawSetString("resume", L.NewFunction(func(L *lua.LState) int {
		thread := L.CheckThread(1)
		if thread.Dead || thread.Parent != nil {
			reason := activeCoroutine
			if thread.Dead {
				reason = endedCoroutine
			}
			L.Push(lua.LFalse)
			L.Push(lua.LString(reason))
			return 2
		}
		if c.prepareResume(L, thread, 2) {
			L.Replace(1, lua.LTrue)
			return L.GetTop()
		}
		thread.SetContext(L.Context())
		if knowsFrames && currentFrame(thread) == nil {
			thread.SetContext(&startContext{taskOf(L), thread})
		}
		n := resume.GFunction(L)
		takeVerbatim(L)
		if L.Get(-1) == lua.LString(machineOverflow) {
			L.Replace(L.GetTop(), lua.LString(overflow+nestedOverflow))
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
		return -1 // yields the values on the stack
	}))
}

// startContext is the context of a coroutine until its first instruction: coroutine.resume replaces Panic before that.
type startContext struct {
	*task
	thread *lua.LState
}

func (c *startContext) Done() <-chan struct{} {
	c.thread.Panic = raisePlain
	c.thread.SetContext(c.task)
	return c.task.Done()
}

// checkNewCoroutine raises an error if L may not create another coroutine.
func (c *coroutines) checkNewCoroutine(L *lua.LState, name string) {
	depth := 0
	for p := L; p != nil; p = p.Parent {
		depth++
	}
	if depth > maxCoroutineDepth {
		raiseUsage(L, "coroutine.%s: coroutines run inside each other deeper than %d", name, maxCoroutineDepth)
	}
	if L.Get(1).Type() != lua.LTFunction {
		badType(L, 1, "function")
	}
	if len(c.alive) >= maxCoroutines && !c.forgetCoroutines() {
		raiseUsage(L, "coroutine.%s: more than %d coroutines are alive", name, maxCoroutines)
	}
}

// forgetCoroutines drops ended and unreachable coroutines and reports whether another one may be created.
func (c *coroutines) forgetCoroutines() bool {
	gone := func(w weak.Pointer[lua.LState]) bool {
		thread := w.Value()
		return thread == nil || thread.Dead
	}
	c.alive = slices.DeleteFunc(c.alive, gone)
	maps.DeleteFunc(c.yields, func(w weak.Pointer[lua.LState], _ int) bool { return gone(w) })
	if len(c.alive) >= maxCoroutines {
		goruntime.GC() // finds unreachable ones
		c.alive = slices.DeleteFunc(c.alive, gone)
	}
	return len(c.alive) < maxCoroutines
}
