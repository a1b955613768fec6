package runtime

import (
	"context"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// Checks the internals of gopher-lua that wanted and yieldsDirectly read: fields of its states, and names and depth of
// its frames.
func TestYield_ReadsGopherLua(t *testing.T) {
	h, _ := testHost(t)
	c := &coroutines{directYields: map[calls]bool{}}
	h.globals.RawSetString("direct", h.main.NewFunction(func(L *lua.LState) int {
		L.Push(lua.LBool(c.yieldsDirectly()))
		return 1
	}))
	h.globals.RawSetString("wanted", h.main.NewFunction(func(L *lua.LState) int {
		n := wanted(L)
		for range 3 {
			L.Push(lua.LNumber(n))
		}
		return 3
	}))
	for script, want := range map[string]any{
		`coroutine.wrap(function() local d = direct() return d end)()`:                                       true,
		`coroutine.wrap(function() local f = function() local d = direct() return d end return (f()) end)()`: true,
		`coroutine.wrap(function() return setmetatable({}, {__index = direct}).x end)()`:                     false,
		`coroutine.wrap(function() for d in direct do return d end return false end)()`:                      false,
		`coroutine.wrap(function() return select(2, pcall(direct)) end)()`:                                   false,
		`direct()`: false,
		`(function() local a = wanted() return a end)()`:          1,
		`(function() local a, b = wanted() return a, b end)()`:    2,
		`(function() local a, b, c = 0, wanted() return b end)()`: 2,
		`(function() return #{wanted()} end)()`:                   3,
		`(function() local t = {wanted()} return t[1] end)()`:     int(lua.MultRet),
	} {
		values, err := h.Eval(context.Background(), script)
		if err != nil || len(values) == 0 || values[0] != want {
			t.Errorf("%s: got %v, %v, want %v", script, values, err, want)
		}
	}
}
