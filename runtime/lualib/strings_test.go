package lualib_test

import "testing"

func TestLua_StringFunctions(t *testing.T) {
	checkSnippets(t, []snippet{
		{`print(("ÄBc\255"):lower() == "Äbc\255", ("äbC\255"):upper() == "äBC\255")`, "true\ttrue\n"},
		{`print(("hello"):sub(2), ("hello"):sub(-3, -2), ("hello"):sub(-100, 100), ("hello"):sub(4, 2), ("hello"):sub(0))`, "ello\tll\thello\t\thello\n"},
		{`print(("hello"):sub(2, math.huge), ("hello"):sub(-math.huge), ("hello"):sub(0/0, 1))`, "ello\thello\th\n"},
		{`print(("abc"):byte(), ("abc"):byte(-1), ("abc"):byte(2, -1))`, "97\t99\t98\t99\n"},
		{`print(select("#", ("abc"):byte(4)), select("#", ("abc"):byte(3, 2)), select("#", (""):byte()))`, "0\t0\t0\n"},
		{`print(string.char(72, 105), #string.char(0, 255), string.char())`, "Hi\t2\t\n"},
		{`string.char(256)`, "error: test.lua:1: bad argument #1 to 'char' (256 is not a byte: 0 to 255)"},
		{`string.char(1, -1)`, "error: test.lua:1: bad argument #2 to 'char' (-1 is not a byte: 0 to 255)"},
		{`("x"):sub()`, "error: test.lua:1: bad argument #1 to 'sub' (number expected, got no value)"},
		{`("x"):rep(math.huge)`, "error: test.lua:1: string.rep: the result is longer than 64 MiB"},
		{`print(("%x %X %o %u"):format(-1, 255, 8, -1))`, "ffffffffffffffff FF 10 18446744073709551615\n"},
		{`print(("%d %i %u %x"):format(-2^63, 3.7, 2^63, 2^63))`, "-9223372036854775808 3 9223372036854775808 8000000000000000\n"},
		{`("%d"):format(2^63)`, "error: test.lua:1: bad argument #1 to 'format' (9.2233720368548e+18 is not an integer)"},
		{`print(("[%3c|%-3c]"):format(65, 66))`, "[  A|B  ]\n"},
	})
}

func TestLua_TooManyValuesAtOnce(t *testing.T) {
	checkSnippets(t, []snippet{
		{`print(select("#", unpack({}, 1, 8000)), select("#", unpack({}, 2, 1)))`, "8000\t0\n"},
		{`unpack({}, 1, 8001)`, "error: test.lua:1: unpack: more than 8000 values at once"},
		{`unpack({}, -math.huge, math.huge)`, "error: test.lua:1: unpack: more than 8000 values at once"},
		{`("x"):rep(1e6):byte(1, -1)`, "error: test.lua:1: string.byte: more than 8000 values at once"},
	})
}
