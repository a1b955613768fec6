package rewrite_test

import (
	"context"
	"fmt"
	"testing"

	"dkvrun/runtime"
)

// Each program returns true in Lua 5.1.
func TestCompile_Assignments(t *testing.T) {
	for _, source := range []string{
		`local p, q, t = 1, 2, {} g, t.k = p, q return g == 1 and t.k == 2`,
		`local p, q, t = 1, 2, {} t.k, g = p, q return g == 2 and t.k == 1`,
		`local function up() local p, t = 1, {} g, h, t.k = p, p, p return t.k end return up() == 1 and g == 1 and h == 1`,
		`local u, t = 0, {} local function up() local p = 1 u, t.k = p, p end up() return u == 1 and t.k == 1`,
		`local t = {} local old = t t, t.k = {}, 5 return old.k == 5 and t.k == nil`,
		`local i, t = 1, {} i, t[i] = i + 1, 20 return i == 2 and t[1] == 20 and t[2] == nil`,
		`local t = {1, 2, 3} t[1], t[3] = t[3], t[1] return t[1] == 3 and t[3] == 1`,
		`local a, b, c = 1, 2, 3 a, b, c = c, a, b return a == 3 and b == 1 and c == 2`,
		`local a, b = 1, 2 a, b = b return a == 2 and b == nil`,
		`local function two() return 1, 2 end local t, b = {} b, t.x, t.y = 0, two() return b == 0 and t.x == 1 and t.y == 2`,
		`local function two() return {}, "no key" end local t, a = {k = {}}, 0 a, two().x, t[(two())] = 1, 2, 3 return a == 1`,
		`local f = function(v) return v end local seen local v = 7 v = 1, (function() seen = v end)() return v == 1 and seen == 7`,
		`local function two(a, b) return a .. b end local function f(v) v = (two("<", v)) return v end return f("a") == "<a"`,
		`local function same(v) return v end local function f(u, v) v = "<" .. same(v) .. ">" return v end return f(1, "a") == "<a>"`,
		`local function f(v) v = v .. "" v = v .. v return v end return f("a") == "aa"`,
		`local function f(...) local v = ... v = (select(2, ...)) return v end return f(1, 2) == 2`,
		`local function f(...) local v, w, x = 1, 2, 3 v = (...) return v, w, x end local a, b, c = f(5) return a == 5 and b == 2 and c == 3`,
		`local function f(p, ...) local w = 2 p = (...) return p, w end local a, b = f(5) return a == nil and b == 2`,
		`g = {} local old = g g.k = 1, (function() g = {} end)() return old.k == 1 and g.k == nil`,
		`local order = "" local function key(k) order = order .. k return k end local t = {} t[key "a"], t[key "b"] = key "c", key "d" return order == "abcd"`,
		`local t = setmetatable({}, {__newindex = function(t, k, v) rawset(t, k, v * 2) end}) t.a, t.b = 1, 2 return t.a == 2 and t.b == 4`,
		`local keep = {} for i = 1, 2 do local a, b = 0, 0 a, b = i, function() return a end keep[i] = b end return keep[1]() == 1 and keep[2]() == 2`,
	} {
		h := runtime.New(runtime.Options{})
		got, err := h.RunSource(context.Background(), "test", []byte(source))
		if err != nil || len(got) != 1 || got[0] != true {
			t.Errorf("%s gives %v (%v)", source, got, err)
		}
		h.Close()
	}
}

func TestCompile_AssignsAmongManyLocals(t *testing.T) {
	locals := repeated(194, "local l%d=%d ")
	for source, want := range map[string]string{
		locals + "l0,l1,l2,l3,l4,l5,l6=l6,l5,l4,l3,l2,l1,l0 return l0,l1,l6":                                "[6 5 0]",
		locals + "l0,l1,l2,l3,l4,l5,l6=7,(function() return 8,9,10 end)() return l0,l1,l3,l4":               "[7 8 10 <nil>]",
		locals + "local t = {} l0,t.a,t[l1],l2,l3,l4,l1=1,2,3,4,5,6,7 return l0,t.a,t[1],l1":                "[1 2 3 7]",
		locals + "l0,l1,l2,l3,l4,l5,l6=l1 and l0,(l2),...\nreturn l0,l1,l2,l6 == nil":                       "[0 2 <nil> true]",
		locals + "l193 = l193 and l0 return l193":                                                           "[0]",
		locals + "local function f(...) l0,l1,l2,l3,l4,l5,l6=...,... return l0,l1,l2 end return f(1, 2, 3)": "[1 1 2]",
	} {
		h := runtime.New(runtime.Options{})
		got, err := h.RunSource(context.Background(), "test", []byte(source))
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s gives %v (%v), want %s", source[len(locals):], got, err, want)
		}
		h.Close()
	}
}
