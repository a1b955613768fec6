package lualib

import (
	"fmt"
	"math"

	lua "github.com/yuin/gopher-lua"
)

// openMath replaces the generator of math.random with one whose numbers depend on the seed alone.
func openMath(L *lua.LState, e *Env) {
	t := library(L, "math")
	t.RawSetString("huge", lua.LNumber(math.Inf(1)))
	t.RawSetString("random", L.NewFunction(func(L *lua.LState) int {
		random := e.Random(L).generator()
		if L.GetTop() == 0 {
			L.Push(lua.LNumber(random.Float64()))
			return 1
		}
		numberArgument(L, 1)
		low, high := 1, WholeArgument(L, 1, 1)
		if L.GetTop() > 1 {
			numberArgument(L, 2)
			low, high = high, WholeArgument(L, 2, 1)
		}
		if low > high || high-low < 0 || high-low == math.MaxInt {
			L.ArgError(L.GetTop(), fmt.Sprintf("interval is empty: no integer from %d to %d", low, high))
		}
		L.Push(lua.LNumber(low + random.IntN(high-low+1)))
		return 1
	}))
	t.RawSetString("randomseed", L.NewFunction(func(L *lua.LState) int {
		e.Random(L).reseed(uint64(int64(numberArgument(L, 1))))
		return 0
	}))
}
