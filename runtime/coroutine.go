package runtime

import (
	lua "github.com/yuin/gopher-lua"
)

// maxCoroutineDepth is how many coroutines may run one inside the other.
const maxCoroutineDepth = 100

// openCoroutines makes coroutines stop with the task that made them.
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
			L.Push(original)
			L.Push(L.CheckFunction(1))
			L.Call(1, 1)
			thread, ok := L.Get(-1).(*lua.LState)
			if !ok { // wrap gives a function that has the thread as its upvalue
				thread = L.Get(-1).(*lua.LFunction).Upvalues[0].Value().(*lua.LState)
			}
			thread.SetContext(L.Context())
			return 1
		}))
	}
}
