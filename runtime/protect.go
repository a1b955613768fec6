package runtime

import (
	"errors"
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// gopher-lua 1.1.2 has three traps in its protected calls:
//
//   - an error closes the captured locals of every function on the thread, also of those outside the
//     protected call, which then go on with a copy of their own: after local n = 0 and a caught error,
//     n = n + 1 is no longer seen by the closures that share n;
//   - with a handler (xpcall) it closes none, not even those whose functions end;
//   - it writes the stack trace of each error in full, and endless tail calls, each of which is a line,
//     take gigabytes.
//
// So a protected call runs on a thread of its own, whose functions all end with it, and below a
// function that sets the thread's Panic, which PCall sets, anew.

// maxProtectedDepth is how deep protected calls may nest: each takes some of Go's stack.
const maxProtectedDepth = 200

// maxSpare is how many threads are kept for the next protected calls and tasks.
const maxSpare = 64

// protectedThreads are those that run protected calls.
type protectedThreads struct {
	running map[*lua.LState]bool
}

// pcall calls a function and returns true and its results, or false and what was raised.
func (h *Host) pcall(L *lua.LState) int {
	L.CheckAny(1)
	return h.protectedCall(L, 2, nil)
}

// xpcall does as pcall, but returns what the handler makes of the raised value while the calls that
// it was raised in still stand.
func (h *Host) xpcall(L *lua.LState) int {
	handler, ok := L.Get(2).(*lua.LFunction)
	if !ok {
		raiseUsage(L, "xpcall: argument 2: got %s, want function", typeName(L.Get(2)))
	}
	return h.protectedCall(L, 3, handler)
}

// protectedCall calls the function at 1 with the arguments from first on.
func (h *Host) protectedCall(L *lua.LState, first int, handler *lua.LFunction) int {
	if fn := L.Get(1); fn.Type() != lua.LTFunction && L.GetMetaField(fn, "__call") == lua.LNil {
		L.Push(lua.LFalse)
		L.Push(errorToLua(L, usageError(L, "attempt to call a %s value", typeName(fn))))
		return 2
	}
	args := make([]lua.LValue, 0, 8)
	for i := first; i <= L.GetTop(); i++ {
		args = append(args, L.Get(i))
	}
	results, err := h.protect(L, L.Get(1), args, handler)
	if err != nil {
		L.Push(lua.LFalse)
		L.Push(h.caught(L, err))
		return 2
	}
	L.Push(lua.LTrue)
	for _, v := range results {
		L.Push(v)
	}
	return 1 + len(results)
}

// caught is the value that a script gets of an error.
func (h *Host) caught(L *lua.LState, err error) lua.LValue {
	var api *lua.ApiError
	if errors.As(err, &api) && api.Type != lua.ApiErrorPanic {
		return api.Object
	}
	return errorToLua(L, h.vmError(L, err))
}

// protect calls fn on a thread of its own. handler, where there is one, replaces what is raised. The
// tasks that fn began don't outlive its failure.
func (h *Host) protect(L *lua.LState, fn lua.LValue, args []lua.LValue, handler *lua.LFunction) ([]lua.LValue, error) {
	thread := h.protectedThread(L)
	before := L.G.CurrentThread
	h.protected.running[thread] = true
	defer func() {
		delete(h.protected.running, thread)
		L.G.CurrentThread = before
		thread.Parent = nil
	}()
	t := taskOf(L)
	first := t.spawned
	results, err := h.runOn(thread, fn, args, handler)
	if err != nil {
		t.endTasks(first)
	}
	return results, err
}

// runOn calls fn on a thread that nothing else runs on, and keeps the thread for others.
func (h *Host) runOn(thread *lua.LState, fn lua.LValue, args []lua.LValue, handler *lua.LFunction) ([]lua.LValue, error) {
	handled := false
	thread.Push(h.main.NewFunction(func(thread *lua.LState) int {
		thread.Panic = func(L *lua.LState) {
			e := &lua.ApiError{Type: lua.ApiErrorRun, Object: reworded(L.Get(-1)), StackTrace: traceback(L, 0)}
			if handler != nil && !handled { // what a handler raises is not handled again
				handled = true
				e.Object = handle(L, handler, e.Object)
			}
			panic(e)
		}
		thread.Call(thread.GetTop()-1, lua.MultRet)
		return thread.GetTop()
	}))
	thread.Push(fn)
	for _, v := range args {
		thread.Push(v)
	}
	if err := thread.PCall(len(args)+1, lua.MultRet, nil); err != nil {
		if handler != nil && !handled { // Go code panicked
			err = &lua.ApiError{Type: lua.ApiErrorRun, Object: handle(thread.Parent, handler, h.caught(thread.Parent, err))}
		}
		return nil, err
	}
	results := make([]lua.LValue, thread.GetTop())
	for i := range results {
		results[i] = thread.Get(i + 1)
	}
	thread.SetTop(0)
	if s := taskOf(thread).scheduler; len(s.spare) < maxSpare {
		s.spare = append(s.spare, thread)
	}
	return results, nil
}

// machineTerms are what the virtual machine raises in terms of its own, and what is said instead.
var machineTerms = map[string]string{
	"registry overflow": fmt.Sprintf("stack overflow: calls hold more than %d values", registryMaxSize),
	"__len undefined":   "attempt to get the length of a value that has none, such as nil",
	"__unm undefined":   "attempt to negate a value that is not a number",
}

// reworded says what the virtual machine raised in the terms of Lua, such as "attempt to index a nil
// value" instead of "a non-table object(nil)".
func reworded(raised lua.LValue) lua.LValue {
	text, ok := raised.(lua.LString)
	if !ok {
		return raised
	}
	for term, said := range machineTerms {
		if before, ok := strings.CutSuffix(string(text), term); ok {
			return lua.LString(before + said)
		}
	}
	before, after, ok := strings.Cut(string(text), ": attempt to index a non-table object(")
	if !ok {
		return raised
	}
	return lua.LString(before + ": attempt to index a " + strings.Replace(after, ")", " value", 1))
}

// handle is what a handler makes of a raised value.
func handle(L *lua.LState, handler *lua.LFunction, value lua.LValue) lua.LValue {
	L.Push(handler)
	L.Push(value)
	L.Call(1, 1)
	result := L.Get(-1)
	L.Pop(1)
	return result
}

// protectedThread is a thread below L, with the same context.
func (h *Host) protectedThread(L *lua.LState) *lua.LState {
	depth := 0
	for p := L; p != nil; p = p.Parent {
		if depth++; depth > maxProtectedDepth {
			raiseUsage(L, "pcall: protected calls nest deeper than %d", maxProtectedDepth)
		}
	}
	thread := taskOf(L).thread()
	thread.Parent = L
	thread.Env = L.Env
	return thread
}
