package lualib_test

import (
	"context"
	"dkvrun/runtime"
	"strings"
	"testing"
)

func TestLua_Concatenation(t *testing.T) {
	checkSnippets(t, []snippet{
		{`print(0.1 + 0.2 .. "|" .. 1/0 .. "|" .. -1/0 .. "|" .. 2^53 .. "|" .. 1/3 == "0.3|inf|-inf|9007199254740992|0.33333333333333")`, "true\n"},
		{`local x = 1/3 print(x .. "" == tostring(x), 1 .. 2)`, "true\t12\n"},
		{`print("a" .. ("b" .. 1) .. 2, ("a" .. 1):upper(), #("a" .. 1 .. "b"), -"2" .. "")`, "ab12\tA1\t3\t-2\n"},
		{`local function values(...) return "n" .. ... end print(values(1, 2, 3))`, "n1\n"},
		{`print(select("#", (function() return "a" .. 1, "b" .. 2 end)()))`, "2\n"},
		{`local t = {k = "v" .. 1, ["a" .. 2] = "b" .. 3, "l" .. 4} print(t.k, t.a2, t[1])`, "v1\tb3\tl4\n"},
		{`local m = {__concat = function(a, b) return (type(a) == "table" and "T" or a) .. "+" .. (type(b) == "table" and "T" or b) end}
		local t = setmetatable({}, m) print(t .. "a" .. "b", "a" .. t .. "b", "a" .. "b" .. t, 1 .. t, t .. t)`, "T+ab\taT+b\tab+T\t1+T\tT+T\n"},
		{"local x\nprint('a' .. 'b' ..\n x)", "error: test.lua:2: attempt to concatenate local 'x' (a nil value)"},
		{`local x = {} .. "b"`, "error: test.lua:1: attempt to concatenate a table value"},
		{`local s = ("x"):rep(2^26) assert(#(s .. "") == 2^26) s = s .. 1`, "error: test.lua:1: ..: the result is longer than 64 MiB"},
		{`local function name() return "0" end local s = name() .. name() .. coroutine.wrap(function() coroutine.yield("y") end)() print(s)`, "00y\n"},
		// The operator .. is compiled to a call of a constant that is longer than any text of the source.
		{"print(#(\"" + strings.Repeat(" ", 1000) + "\"..1))", "1001\n"},
		{`getmetatable("").__tostring = function() return "not this" end print("a" .. "b" .. 1)`, "not this\n"}, // by print
	})
}

func TestLua_ArithmeticOfStrings(t *testing.T) {
	checkSnippets(t, []snippet{
		{`print("010" + 1, "0012" * 1, -"010", "0x10" + 0, " 5 " + 1, "10" / "4", "7" % "4", "2" ^ "3", 10 - "1")`, "11\t12\t-10\t16\t6\t2.5\t3\t8\t9\n"},
		{`print(0012, 0x10, 010, 0xffffffffffffffff, .5, 5., 3e2, -0x10)`, "12\t16\t10\t1.844674407371e+19\t0.5\t5\t300\t-16\n"},
		{`for _, p in ipairs{{5, 3}, {-5, 3}, {5, -3}, {6, -3}, {2, 0.5 / 3}, {5, math.huge}, {-0.5, 1}} do
		assert(tostring(p[1]) % p[2] == p[1] % p[2], p) end print(-"5" % "3", "5" % -3)`, "1\t-1\n"},
		{`print("1_000" + 1)`, "error: test.lua:1: attempt to perform arithmetic on a string value"},
		{`print(1 + "0b1")`, "error: test.lua:1: attempt to perform arithmetic on a string value"},
		{`print(-"x")`, "error: test.lua:1: attempt to perform arithmetic on a string value"},
		{`print("1" + {})`, "error: test.lua:1: attempt to perform arithmetic on a table value"},
		{`local t = setmetatable({}, {__add = function(a, b) return type(a) .. type(b) end}) print("1" + t, t + "x", t + 1)`, "stringtable\ttablestring\ttablenumber\n"},
		{`print(("x"):rep(2), ("abc").len == string.len, #"abc")`, "xx\ttrue\t3\n"},
		{`print(string.__index, rawget(string, "__add"))`, "nil\tnil\n"},
	})
}

func TestLua_MalformedNumbersAreRefused(t *testing.T) {
	h := runtime.New(runtime.Options{})
	defer h.Close()
	for _, source := range []string{"x = 1e", "x = 1e+"} {
		_, err := h.RunSource(context.Background(), "test", []byte("local x\n"+source))
		if err == nil || !strings.HasPrefix(err.Error(), "test:2: malformed number near '") {
			t.Errorf("%s: got %v", source, err)
		}
	}
}
