package runtime

import (
	"reflect"
	goruntime "runtime"
	"strings"
	"weak"

	lua "github.com/yuin/gopher-lua"
)

// What gopher-lua 1.1.2 does not tell of a call: its frame, and how many values it is to give.
var (
	frameField, _  = reflect.TypeFor[lua.LState]().FieldByName("currentFrame")
	wantedField, _ = frameField.Type.Elem().FieldByName("NRet")
)

// wanted is how many values the function that L calls is to give, lua.MultRet for all that there are.
func wanted(L *lua.LState) int {
	frame := reflect.ValueOf(L).Elem().FieldByIndex(frameField.Index).Elem()
	return int(frame.FieldByIndex(wantedField.Index).Int())
}

// goOn prepares a coroutine for the values that it is resumed with, those of L from first on. If it has
// yielded, they become as many as its coroutine.yield is to give: the virtual machine takes them as they
// are, and crashes on those that are missing. Where it ended with return coroutine.yield(…), nothing of it
// is left that could go on: goOn ends it and returns true, and the values are what it returns.
func (c *coroutines) goOn(L, thread *lua.LState, first int) bool {
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

// calls are the innermost calls of Go's stack.
type calls [6]uintptr

// yieldsDirectly tells whether the loop that a coroutine runs in called coroutine.yield. A loop inside
// it, which runs a metamethod, an iterator or a callback for Go code, would go on with wrong values, or
// crash; only Go's stack shows which one it is.
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
