package runtime

import (
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	lua "github.com/yuin/gopher-lua"
)

// gopher-lua 1.1.2 has three defects in protected calls:
//
//   - An error closes the captured locals of every function on the thread (gopher-lua issue #448). The functions
//     outside the protected call continue with copies: after local n = 0 and a caught error, the closures that share
//     n don't see n = n + 1.
//   - An error that has a handler (xpcall) closes none, not even those of the functions that end.
//   - PCall writes the stack trace of each error in full. Endless tail calls, each of which is a line, take gigabytes.
//
// So a protected call saves the thread's list of open captured locals and empties it, because all of them belong to
// functions outside the call. When an error is raised, the list holds only those of functions inside the call. Instead
// of PCall, the protected call itself sets the Panic hook, recovers, and removes the calls that have ended.
//
// Protected calls that nest deeply, and those that Go code makes, run on another thread, which has a separate list and
// stack. There PCall calls a guard, which replaces the Panic hook that PCall has set.

const (
	// maxProtectedDepth limits how deep protected calls nest, because each uses some of Go's stack.
	maxProtectedDepth = 200
	// maxSharedDepth is the number of active calls on a thread above which a protected call runs on another thread, so
	// that the called function has an empty call stack.
	maxSharedDepth = maxCalls / 2
	// overflow is the error of calls that nest too deep, machineOverflow what the virtual machine panics with.
	overflow        = "stack overflow"
	nestedOverflow  = ": metamethods, iterators or callbacks nest too deep"
	machineOverflow = "lua callstack overflow"
	// maxSpare is the maximum number of threads that are kept for later protected calls and tasks.
	maxSpare = 64
)

// protectedThreads holds the threads that run protected calls.
type protectedThreads struct {
	running map[*lua.LState]bool
}

// guards are the functions that PCall calls in place of the function of a protected call on another thread. They call
// that function.
type guards struct {
	plain   *lua.LFunction // plain(f, …)
	handled *lua.LFunction // handled(f, handlerCall, …)
}

// handlerCall is the state of an xpcall. Its handler is called at most once: an error of the handler is not handled.
type handlerCall struct {
	handler *lua.LFunction
	called  bool
}

// Unexported fields of gopher-lua that protected calls use. A test checks their types and meaning.
var (
	openField, _  = reflect.TypeFor[lua.LState]().FieldByName("uvcache")
	depthField, _ = frameField.Type.Elem().FieldByName("Idx")
	callField, _  = reflect.TypeFor[lua.Debug]().FieldByName("frame")
	// sharesThreads is false for a version of gopher-lua with other fields. Every protected call then runs on another
	// thread.
	sharesThreads = openField.Type == reflect.TypeFor[*lua.Upvalue]() && depthField.Type == reflect.TypeFor[int]() &&
		callField.Type == frameField.Type
)

// openLocals returns a pointer to L's list of the captured locals of running functions.
func openLocals(L *lua.LState) **lua.Upvalue {
	return (**lua.Upvalue)(unsafe.Add(unsafe.Pointer(L), openField.Offset))
}

// framePointer returns a pointer to L's pointer to the frame of its current call.
func framePointer(L *lua.LState) *unsafe.Pointer {
	return (*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(L), frameField.Offset))
}

// depth returns the number of active calls on L below the current one.
func depth(L *lua.LState) int {
	return *(*int)(unsafe.Add(*framePointer(L), depthField.Offset))
}

// depthOf returns the number of active calls below a call.
func depthOf(call *lua.Debug) int {
	frame := reflect.ValueOf(call).Elem().FieldByIndex(callField.Index).Elem()
	return int(frame.FieldByIndex(depthField.Index).Int())
}

func newGuards(main *lua.LState) guards {
	return guards{
		plain: main.NewFunction(func(L *lua.LState) int {
			return guarded(L, raisePlain)
		}),
		handled: main.NewFunction(func(L *lua.LState) int {
			c := L.CheckUserData(2).Value.(*handlerCall)
			L.Remove(2)
			return guarded(L, c.raise)
		}),
	}
}

// guarded calls the function on the stack of L with the arguments above it. If an error is raised, it calls raise while
// the calls that raised the error are still active.
func guarded(L *lua.LState, raise func(*lua.LState)) int {
	L.Panic = raise
	defer func() {
		closeLocals(L)
		if p := recover(); p == machineOverflow {
			panic(overflowError(L))
		} else if p != nil {
			panic(p)
		}
	}()
	L.Call(L.GetTop()-1, lua.MultRet)
	return L.GetTop()
}

// overflowError returns the error for the panic of the virtual machine with machineOverflow.
func overflowError(L *lua.LState) *lua.ApiError {
	text := positionPrefix(L) + overflow + nestedOverflow
	return &lua.ApiError{Type: lua.ApiErrorRun, Object: lua.LString(text), StackTrace: traceback(L, 0)}
}

// closeLocals closes the captured locals of the calls that end. gopher-lua does this when a function returns or raises
// an error, but not when Go code panics or a function of coroutine.wrap propagates an error. Each protected call calls
// it, and most have nothing to close: it is small enough that the compiler inlines it.
func closeLocals(L *lua.LState) {
	if sharesThreads && *openLocals(L) != nil {
		closeOpenLocals(L)
	}
}

func closeOpenLocals(L *lua.LState) {
	L.Panic = func(*lua.LState) {}
	L.RaiseError("")
	L.Pop(1)
}

func raisePlain(L *lua.LState) { panic(raisedIn(L)) }

func (c *handlerCall) raise(L *lua.LState) {
	e := raisedIn(L)
	if !c.called {
		c.called = true
		e.Object = handle(L, c.handler, e.Object)
	}
	panic(e)
}

// raisedIn returns the error whose value is on top of the stack of L.
func raisedIn(L *lua.LState) *lua.ApiError {
	return &lua.ApiError{Type: lua.ApiErrorRun, Object: reworded(L, L.Get(-1)), StackTrace: traceback(L, 0)}
}

// handle calls a handler with a raised value and returns its result.
func handle(L *lua.LState, handler *lua.LFunction, value lua.LValue) lua.LValue {
	t := taskOf(L)
	t.handling++
	defer func() { t.handling-- }()
	L.Push(handler)
	L.Push(value)
	L.Call(1, 1)
	result := L.Get(-1)
	L.Pop(1)
	return result
}

// pcall calls a function and returns true and its results, or false and the raised value.
func (h *Host) pcall(L *lua.LState) int {
	return h.protectedCall(L, L.CheckAny(1), h.scheduler.guards.plain, nil)
}

// xpcall does the same as pcall, but returns the handler's result in place of the raised value. It calls the handler
// while the calls that raised the value are still active.
func (h *Host) xpcall(L *lua.LState) int {
	handler, ok := L.Get(2).(*lua.LFunction)
	if !ok {
		badType(L, 2, "function")
	}
	call := &handlerCall{handler: handler}
	L.Replace(2, &lua.LUserData{Value: call, Metatable: lua.LNil})
	return h.protectedCall(L, L.Get(1), h.scheduler.guards.handled, call)
}

// protectedCall calls fn, which is at position 1 of the stack, through a guard with the arguments after it. call is the
// handlerCall of an xpcall, or nil.
func (h *Host) protectedCall(L *lua.LState, fn lua.LValue, guard *lua.LFunction, call *handlerCall) int {
	if _, ok := fn.(*lua.LFunction); !ok && L.GetMetaField(fn, "__call") == lua.LNil {
		L.Push(lua.LFalse)
		L.Push(errorToLua(L, usageError(L, "attempt to call a %s value", typeName(fn))))
		return 2
	}
	t := taskOf(L)
	first := t.spawned
	t.nest(L)
	var err error
	if sharesThreads && depth(L) < maxSharedDepth {
		err = callHere(L, call)
	} else {
		err = h.callElsewhere(L, guard)
	}
	t.protected--
	if err == nil {
		return L.GetTop()
	}
	t.endTasks(first)
	value := h.caught(L, err)
	if call != nil && !call.called { // Go code panicked
		call.called = true
		value = h.handleElsewhere(L, call.handler, value)
	}
	L.Push(lua.LFalse)
	L.Push(value)
	return 2
}

// nest counts another active protected call of t. It raises an error on L if there are too many.
func (t *task) nest(L *lua.LState) {
	if t.protected >= maxProtectedDepth {
		raiseUsage(L, "pcall: protected calls nest deeper than %d", maxProtectedDepth)
	}
	t.protected++
}

// callHere calls the function at position 1 of the stack of L on L itself. It replaces the whole stack with true and
// the results, or with true alone if it returns an error. call is the handlerCall of an xpcall, or nil.
func callHere(L *lua.LState, call *handlerCall) error {
	raise := raisePlain
	if call != nil {
		raise = call.raise
		L.Remove(2)
	}
	nargs := L.GetTop() - 1
	if nargs == 0 {
		fn := L.Get(1)
		L.Replace(1, lua.LTrue)
		L.Push(fn)
	} else {
		L.Insert(lua.LTrue, 1)
	}
	current, open := L.G.CurrentThread, openLocals(L)
	outer := *open
	if outer != nil {
		*open = nil
	}
	err := callAndRecover(L, nargs, raise)
	if outer != nil {
		*open = outer
	}
	if err != nil {
		L.G.CurrentThread = current // the error may have been raised in a coroutine
	}
	return err
}

// callAndRecover calls the function below the nargs values on top of the stack of L, as PCall does. If an error is
// raised, it calls raise while the calls that raised the error are still active, and removes the function, the values
// and these calls.
func callAndRecover(L *lua.LState, nargs int, raise func(*lua.LState)) (err error) {
	frame, hook, returned := *framePointer(L), L.Panic, false
	L.Panic = raise
	defer func() {
		if !returned {
			err = panicked(L, recover())
			closeLocals(L)
			endCalls(L, frame)
			L.SetTop(1)
		}
		L.Panic = hook
	}()
	L.Call(nargs, lua.MultRet)
	returned = true
	return nil
}

// panicked returns the value of a panic as the error that PCall returns for it. The calls that panicked are still
// active.
func panicked(L *lua.LState, value any) error {
	e, ok := value.(*lua.ApiError)
	switch {
	case value == machineOverflow:
		return overflowError(L)
	case !ok:
		e = &lua.ApiError{Type: lua.ApiErrorPanic, Object: lua.LString(fmt.Sprint(value))}
	}
	if e.StackTrace == "" {
		e.StackTrace = traceback(L, 0)
	}
	return e
}

// endCalls removes the calls above a frame of L, which then is the current one.
func endCalls(L *lua.LState, frame unsafe.Pointer) {
	at := unsafe.Add(unsafe.Pointer(L), stackField.Offset)
	stack := reflect.NewAt(stackField.Type, at).Elem().Interface().(interface{ SetSp(int) })
	stack.SetSp(*(*int)(unsafe.Add(frame, depthField.Offset)) + 1)
	*framePointer(L) = frame
}

// callElsewhere calls the function at position 1 of the stack of L through a guard, on another thread. It replaces the
// whole stack of L with true and the results.
func (h *Host) callElsewhere(L *lua.LState, guard *lua.LFunction) error {
	args := make([]lua.LValue, L.GetTop())
	for i := range args {
		args[i] = L.Get(i + 1)
	}
	results, err := h.onThread(L, guard, args)
	if err == nil {
		L.SetTop(0)
		L.Push(lua.LTrue)
		for _, v := range results {
			L.Push(v)
		}
	}
	return err
}

// handleElsewhere calls a handler on another thread, for an error whose calls have ended.
func (h *Host) handleElsewhere(L *lua.LState, handler *lua.LFunction, value lua.LValue) lua.LValue {
	results, err := h.onThread(L, h.scheduler.guards.plain, []lua.LValue{handler, value})
	switch {
	case err != nil:
		return h.caught(L, err)
	case len(results) == 0:
		return lua.LNil
	}
	return results[0]
}

// caught returns the value of an error for the script that caught it.
func (h *Host) caught(L *lua.LState, err error) lua.LValue {
	var api *lua.ApiError
	if errors.As(err, &api) && api.Type != lua.ApiErrorPanic {
		return rewordedOverflow(L, api.Object) // a coroutine with too many values raises its error without a guard
	}
	return errorToLua(L, h.vmError(L, err))
}

// handlesError reports whether a handler of xpcall is running.
func handlesError(L *lua.LState) bool { return taskOf(L).handling > 0 }

func (h *Host) attempt(L *lua.LState, fn *lua.LFunction) (results []lua.LValue, raised lua.LValue, ok bool) {
	results, err := h.protect(L, fn, nil)
	if err != nil {
		return nil, h.caught(L, err), false
	}
	return results, nil, true
}

// protect calls fn on another thread below L. If fn fails, the tasks that it spawned end.
func (h *Host) protect(L *lua.LState, fn lua.LValue, args []lua.LValue) ([]lua.LValue, error) {
	t := taskOf(L)
	first := t.spawned
	t.nest(L)
	results, err := h.onThread(L, h.scheduler.guards.plain, append([]lua.LValue{fn}, args...))
	t.protected--
	if err != nil {
		t.endTasks(first)
	}
	return results, err
}

// onThread calls a guard on another thread below L, with the same context.
func (h *Host) onThread(L *lua.LState, guard *lua.LFunction, args []lua.LValue) ([]lua.LValue, error) {
	thread := taskOf(L).thread()
	thread.Parent = L
	thread.Env = L.Env
	before := L.G.CurrentThread
	h.protected.running[thread] = true
	defer func() {
		delete(h.protected.running, thread)
		L.G.CurrentThread = before
		thread.Parent = nil
	}()
	return runOn(thread, guard, args)
}

// runOn calls a guard on an idle thread, and keeps the thread for later calls.
func runOn(thread *lua.LState, guard *lua.LFunction, args []lua.LValue) ([]lua.LValue, error) {
	thread.Push(guard)
	for _, v := range args {
		thread.Push(v)
	}
	if err := thread.PCall(len(args), lua.MultRet, nil); err != nil {
		return nil, err
	}
	results := make([]lua.LValue, thread.GetTop())
	for i := range results {
		results[i] = thread.Get(i + 1)
	}
	thread.SetTop(0)
	if s := taskOf(thread).scheduler; len(s.spare) < maxSpare && !hasGrown(thread) {
		s.spare = append(s.spare, thread)
	}
	return results, nil
}
