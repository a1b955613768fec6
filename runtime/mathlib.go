package runtime

import (
	"math"

	lua "github.com/yuin/gopher-lua"
)

// openMath gives math generators of the host's own, which the seed alone determines.
func (h *Host) openMath() {
	t := h.library("math")
	t.RawSetString("huge", lua.LNumber(math.Inf(1)))
	t.RawSetString("random", h.main.NewFunction(func(L *lua.LState) int {
		random := taskOf(L).random.generator()
		if L.GetTop() == 0 {
			L.Push(lua.LNumber(random.Float64()))
			return 1
		}
		low, high := 1, L.CheckInt(1)
		if L.GetTop() > 1 {
			low, high = high, L.CheckInt(2)
		}
		if low > high || high-low < 0 || high-low == math.MaxInt {
			raiseUsage(L, "math.random: no integer from %d to %d", low, high)
		}
		L.Push(lua.LNumber(low + random.IntN(high-low+1)))
		return 1
	}))
	t.RawSetString("randomseed", h.main.NewFunction(func(L *lua.LState) int {
		taskOf(L).random.reseed(uint64(L.CheckInt64(1)))
		return 0
	}))
}
