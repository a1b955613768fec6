package runtime

import (
	"reflect"
	goruntime "runtime"
	"strings"
	"weak"

	lua "github.com/yuin/gopher-lua"
)

// gopher-lua 1.1.2 exports neither the frame of a call nor the number of results that the caller wants.
var (
	frameField, _  = reflect.TypeFor[lua.LState]().FieldByName("currentFrame")
	wantedField, _ = frameField.Type.Elem().FieldByName("NRet")
)

// wanted returns the number of results that the caller of L's current function wants, or lua.MultRet for all.
func wanted(L *lua.LState) int {
	frame := reflect.ValueOf(L).Elem().FieldByIndex(frameField.Index).Elem()
	return int(frame.FieldByIndex(wantedField.Index).Int())
}

// prepareResume prepares a coroutine for the values that it is resumed with, those on the stack of L from first on. If
// the coroutine has yielded, it adjusts their number to the number of results of that coroutine.yield, because the
// virtual machine crashes on missing values. A coroutine that ended with return coroutine.yield(…) has no frame left.
// prepareResume then marks it as dead and returns true, and the values are its results.
func (c *coroutines) prepareResume(L, thread *lua.LState, first int) bool {
	key := weak.Make(thread)
	n, yielded := c.yields[key]
	if !yielded {
		return false
	}
	delete(c.yields, key)
	if _, runs := thread.GetStack(0); !runs {
		thread.Dead = true
		return true
	}
	if n != lua.MultRet {
		L.SetTop(first - 1 + n)
	}
	return false
}

// calls holds the innermost calls of a Go stack.
type calls [6]uintptr

// yieldsDirectly reports whether the outermost interpreter loop of the coroutine called coroutine.yield. An inner loop,
// which runs a metamethod, an iterator or a callback for Go code, would continue with wrong values or crash. Only Go's
// stack shows which loop made the call.
func (c *coroutines) yieldsDirectly() bool {
	var stack calls
	goruntime.Callers(2, stack[:])
	direct, known := c.directYields[stack]
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
	c.directYields[stack] = direct
	return direct
}
