package runtime

import (
	"math"
	"math/rand/v2"

	lua "github.com/yuin/gopher-lua"
)

// openMath gives math a generator of the host's own, which its seed alone determines.
func (h *Host) openMath() {
	t := h.library("math")
	source := rand.NewPCG(h.opts.Seed, 0)
	random := rand.New(source)
	t.RawSetString("huge", lua.LNumber(math.Inf(1)))
	t.RawSetString("random", h.main.NewFunction(func(L *lua.LState) int {
		if L.GetTop() == 0 {
			L.Push(lua.LNumber(random.Float64()))
			return 1
		}
		low, high := 1, L.CheckInt(1)
		if L.GetTop() > 1 {
			low, high = high, L.CheckInt(2)
		}
		if low > high || high-low < 0 || high-low == math.MaxInt {
			h.raise(L, h.errorHere(L, "math.random: no integer from %d to %d", low, high))
		}
		L.Push(lua.LNumber(low + random.IntN(high-low+1)))
		return 1
	}))
	t.RawSetString("randomseed", h.main.NewFunction(func(L *lua.LState) int {
		source.Seed(uint64(L.CheckInt64(1)), 0)
		return 0
	}))
}
