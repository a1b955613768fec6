package lualib_test

import "testing"

func TestLua_StringLibrary(t *testing.T) {
	checkSnippets(t, []snippet{
		{`print(("hello world"):find("o w"), ("hello"):find("l+"), ("hello"):find(""), ("a.b"):find(".", 1, true), ("abc"):find("b", -2))`, "5\t3\t1\t2\t2\t2\n"},
		{`print(("hello"):find("l+"))`, "3\t4\n"},
		{`print(("key = value"):match("^(%w+)%s*=%s*(%w+)$"))`, "key\tvalue\n"},
		{`print(("  trim  "):match("^%s*(.-)%s*$") .. "|")`, "trim|\n"},
		{`print(("2026-11-23"):match("(%d+)-(%d+)-(%d+)"))`, "2026\t11\t23\n"},
		{`print(("f(a(b)c)d"):match("%b()"), ("THE (quick) fox"):find("%((%a+)%)"))`, "(a(b)c)\t5\t11\tquick\n"},
		{`print(("hello"):match("()ll()"))`, "3\t5\n"},
		{`print(("abab"):match("(a)(b)%1%2"), ("x"):match("y"), ("x"):match("(y?)x"))`, "a\tnil\t\n"},
		{`print(("THE (quick) fox"):gsub("%f[%a]%a+", "w"))`, "w (w) w\t3\n"},
		{`print(("hello world"):gsub("o", "0", 1), ("abc"):gsub("%w", "%0%0"), ("abc"):gsub("", "-"))`, "hell0 world\taabbcc\t-a-b-c-\t4\n"},
		{`print(("$name is $age"):gsub("%$(%w+)", {name = "x", age = 7}))`, "x is 7\t2\n"},
		{`print(("a b"):gsub("%w", function(c) if c == "a" then return c:upper() end end))`, "A b\t2\n"},
		{`print(("a=1, b=2"):gsub("(%w+)=(%w+)", "%2=%1"))`, "1=a, 2=b\t2\n"},
		{`print(("50%"):gsub("%%", "%%%%"))`, "50%%\t1\n"},
		{`for k, v in ("a=1, b=2"):gmatch("(%w+)=(%w+)") do io.write(k, v, " ") end print()`, "a1 b2 \n"},
		{`local n = 0 for _ in ("abc"):gmatch("") do n = n + 1 end print(n)`, "4\n"},
		{`print(("]-x"):match("[]-]+"), ("a-z"):match("[a%-z]+"), ("q"):match("[^%d]"), ("5"):match("[^%d]"), ("b"):match("[a-c]"))`, "]-\ta-z\tq\tnil\tb\n"},
		{`print(("%d"):rep(2), ("x"):rep(0), ("x"):rep(-1), ("ab"):rep(3))`, "%d%d\t\t\tababab\n"},
		{`print(("x"):find("[a"))`, "error: test.lua:1: string.find: the pattern has a [ without its ]"},
		{`print(("x"):match("(x"))`, "error: test.lua:1: the pattern has a ( without its )"},
		{`print(("x"):match("x)"))`, "error: test.lua:1: string.match: the pattern has a ) without its ("},
		{`print(("x"):match("%"))`, "error: test.lua:1: string.match: the pattern ends with %"},
		{`print(("xx"):match("%1"))`, "error: test.lua:1: string.match: the pattern refers to a capture that it doesn't have"},
		{`print(("x"):gsub("x", "%2"))`, "error: test.lua:1: string.gsub: the pattern has no capture 2"},
		{`print(("x"):gsub("x", true))`, "error: test.lua:1: bad argument #2 to 'gsub' (string/function/table expected, got boolean)"},
		{`print(("x"):gsub("x", function() return {} end))`, "error: test.lua:1: invalid replacement value (a table)"},
		{`print(("x"):gsub("x", function() error("inside") end))`, "error: test.lua:1: inside"},
		{`string.find(nil, "x")`, "error: test.lua:1: bad argument #1 to 'find' (string expected, got nil)"},
		{`print(("x"):match(("()"):rep(33)))`, "error: test.lua:1: string.match: the pattern has more than 32 captures"},
		{`("x"):rep(2^40)`, "error: test.lua:1: string.rep: the result is longer than 64 MiB"},
		{`("x"):rep(1000000):gsub("x", ("y"):rep(1000))`, "error: test.lua:1: string.gsub: the result is longer than 64 MiB"},
		{`local s, t = ("x"):rep(1000000), {} for i = 1, 100 do t[i] = s end table.concat(t)`, "error: test.lua:1: table.concat: the result is longer than 64 MiB"},
		{`print(table.concat({1, "a", 2.5}, ", "), table.concat({1, 2, 3}, "", 2, 3), table.concat({}))`, "1, a, 2.5\t23\t\n"},
		{`local t = {} for i = 1, 5000 do t[i] = i end print(#table.concat(t, ","))`, "23892\n"},
		{`table.concat({1, {}})`, "error: test.lua:1: invalid value (table) at index 2 in table for 'concat'"},
	})
}

func TestLua_StringFormat(t *testing.T) {
	checkSnippets(t, []snippet{
		{`print(("%d %5d|%-5d|%05d %i %u %x %X %o %c"):format(1, 2, 3, 4, 5, 6, 255, 255, 8, 65))`, "1     2|3    |00004 5 6 ff FF 10 A\n"},
		{`print(("%5.2f %e %g %g %.3g %f"):format(3.14159, 1000, 0.1, 1e20, 2/3, 1/0))`, " 3.14 1.000000e+03 0.1 1e+20 0.667 inf\n"},
		{`print(("%s %10s|%-4s|%.2s %s %s"):format("a", "b", "c", "defg", nil, true))`, "a          b|c   |de nil true\n"},
		{`print(("%s %s"):format(setmetatable({}, {__tostring = function() return "me" end}), 1e15))`, "me 1000000000000000\n"},
		{`print(("%q"):format('a "b"\n\\ \0'))`, "\"a \\\"b\\\"\\\n\\\\ \\000\"\n"},
		{`print(("%d%% %d"):format("10", 3.9))`, "10% 3\n"},
		{`print(("%d"):format())`, "error: test.lua:1: bad argument #1 to 'format' (no value for %d)"},
		{`print(("%d"):format("x"))`, "error: test.lua:1: bad argument #1 to 'format' (number expected, got string)"},
		{`print(("%y"):format(1))`, "error: test.lua:1: invalid option '%y' to 'format'"},
		{`print(("%5"):format(1))`, "error: test.lua:1: string.format: the format ends within %5"},
		{`print(("%999d"):format(1))`, "error: test.lua:1: string.format: %999d: width and precision have at most two digits"},
		{`print(("%d"):format(1/0))`, "error: test.lua:1: bad argument #1 to 'format' (inf is not an integer)"},
	})
}
