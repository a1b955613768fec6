package lualib

import (
	"fmt"
	"math"

	lua "github.com/yuin/gopher-lua"
)

// openMath replaces the generator of math.random with one whose numbers depend on the seed alone. Text counts as the
// number that tonumber makes of it: gopher-lua 1.1.2 reads "010" as octal.
func openMath(L *lua.LState, e *Env) {
	t := library(L, "math")
	for _, name := range stringKeys(t) {
		if fn, ok := t.RawGetString(name).(*lua.LFunction); ok {
			t.RawSetString(name, L.NewFunction(withNumbers(fn.GFunction)))
		}
	}
	t.RawSetString("modf", L.NewFunction(modf))
	t.RawSetString("huge", lua.LNumber(math.Inf(1)))
	t.RawSetString("random", L.NewFunction(func(L *lua.LState) int {
		random := e.Random(L).generator()
		if L.GetTop() == 0 {
			L.Push(lua.LNumber(random.Float64()))
			return 1
		}
		if L.GetTop() > 2 {
			e.Raise(L, "wrong number of arguments to 'random': none, the highest integer, or the lowest and the highest")
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

// withNumbers returns fn with numbers in place of arguments that are the text of one.
func withNumbers(fn lua.LGFunction) lua.LGFunction {
	return func(L *lua.LState) int {
		for i := 1; i <= L.GetTop(); i++ {
			if v := L.Get(i); v.Type() == lua.LTString {
				if n, ok := numeric(v); ok {
					L.Replace(i, lua.LNumber(n))
				}
			}
		}
		return fn(L)
	}
}

// modf returns the whole part and the fraction of a number. An infinity has the fraction 0.
func modf(L *lua.LState) int {
	n := numberArgument(L, 1)
	whole, fraction := math.Modf(n)
	if math.IsInf(n, 0) {
		fraction = 0
	}
	L.Push(lua.LNumber(whole))
	L.Push(lua.LNumber(fraction))
	return 2
}
