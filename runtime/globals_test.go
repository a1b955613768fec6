package runtime

import "testing"

func TestHost_Globals(t *testing.T) {
	checkSnippets(t, []snippet{
		{`print("a", 1, nil, true)`, "a\t1\tnil\ttrue\n"},
		{`print(1/0, -1/0, 0/0, 1e15, 0.1, 1/3, -0.5, 1e100)`, "inf\t-inf\tnan\t1000000000000000\t0.1\t0.33333333333333\t-0.5\t1e+100\n"},
		{`print(tonumber("1e3"), tonumber("0x10"), tonumber("nan"), tonumber(" 7 "), tonumber("ff", 16), tonumber("z"), tonumber("1_000"))`,
			"1000\t16\tnil\t7\t255\tnil\tnil\n"},
		{`print(math.huge, math.pi > 3)`, "inf\ttrue\n"},
		{`print({1, "two", {3}}, {b = 1, a = {c = true}})`, "{1, \"two\", {3}}\t{a = {c = true}, b = 1}\n"},
		{`print({[7811] = "a"}, {1, nil, 3}, {[true] = 1})`, "{[7811] = \"a\"}\t{1, nil, 3}\t{[true] = 1}\n"},
		{`local t = {1} t.me = t print(t)`, "{1, me = <cycle>}\n"},
		{`print(setmetatable({}, {__tostring = function() return "me" end}))`, "me\n"},
		{`io.write("a", 1, "\n"):write("b\n")`, "a1\nb\n"},
		{`io.stdout:write("a", 1):flush():write("\n") io.stdout:setvbuf("no")`, "a1\n"},
		{`print(type(io.stdout), tostring(io.stderr), io.stdout == io.stderr)`, "userdata\tfile (io.stderr)\tfalse\n"},
		{`io.write({})`, "error: test.lua:1: bad argument #1 to 'write' (string expected, got table)"},
		{`io.stdout:write("a", {})`, "error: test.lua:1: bad argument #2 to 'write' (string expected, got table)"},
		{`io.stdout.write("a")`, "error: test.lua:1: io.stdout:write: call it with a colon"},
		{`io.stderr:read()`, "error: test.lua:1: output.read is not available in runbooks: a script doesn't touch files"},
		{`io.stdout:wirte("a")`, "error: test.lua:1: output: no field wirte: did you mean write?"},
		{`print(debug.traceback("at", 1))`, "at\nstack traceback:\n\ttest.lua:1: in the main chunk\n"},
		{`local function f() print(debug.traceback("at", 2)) end f()`, "at\nstack traceback:\n\ttest.lua:1: in the main chunk\n"},
		{`local function f() print(debug.traceback("at", 99)) end f()`, "at\nstack traceback:\n"},
		{`local mt = {} print(debug.getmetatable(setmetatable({}, mt)) == mt, debug.getmetatable(_G))`, "true\tglobals\n"},
		{`x = 5 print(x, rawget(_G, "y"))`, "5\tnil\n"},
		{`print(arg[0], #arg, ...)`, "test.lua\t0\n"},
		{"\n\nprnt(1)", "error: test.lua:3: undefined global prnt: did you mean print?"},
		{`local x = zzzzzz`, "error: test.lua:1: undefined global zzzzzz"},
		{`os.execute("ls")`, "error: test.lua:1: os.execute is not available in runbooks: a script starts no processes"},
		{`os.exit(1)`, "error: test.lua:1: os.exit is not available in runbooks: exit(status) ends the run"},
		{`io.open("x")`, "error: test.lua:1: io.open is not available in runbooks: a script doesn't touch files"},
		{`dofile("x")`, "error: test.lua:1: dofile is not available in runbooks: require reads modules"},
		{`debug.getinfo(1)`, "error: test.lua:1: debug.getinfo is not available in runbooks: of debug there are traceback and getmetatable"},
		{`local keeps = os.getenv print(pcall(keeps, "HOME"))`, "false\ttest.lua:1: os.getenv is not available in runbooks: a script doesn't see the environment\n"},
		{`print(io.stdin)`, "error: test.lua:1: io.stdin is not available in runbooks: standard input is not the script's"},
		{`os.tiem()`, "error: test.lua:1: os: no field tiem: did you mean time?"},
		{`print(type(os.time()), type(debug.traceback()))`, "number\tstring\n"},
		{`print(load("return 1 +"))`, "nil\t(load):1: unexpected end of the source: expected an expression\n"},
		{`print(load("return 1 + 1")(), loadstring("return 7")())`, "2\t7\n"},
		{`local n = 0 print(load(function() n = n + 1 return ({"return ", "40", "+2"})[n] end)())`, "42\n"},
		{`print(loadstring("\27Lua"))`, "nil\t(load):1: compiled Lua can't be loaded: only text\n"},
		{`setmetatable(_G, {})`, "error: test.lua:1: cannot change a protected metatable"},
		{`print(unpack({1, 2, 3}, 2))`, "2\t3\n"},
		{`for i, v in ipairs({"a", "b"}) do io.write(i, v) end print()`, "1a2b\n"},
		{`for k, v in pairs({10, x = 1}) do io.write(tostring(k), "=", v, " ") end print()`, "1=10 x=1 \n"},
		{`print(next({}), next({5}))`, "nil\t1\t5\n"},
		{`ipairs(nil)`, "error: test.lua:1: bad argument #1 to 'ipairs' (table expected, got nil)"},
		{`pairs(5)`, "error: test.lua:1: bad argument #1 to 'pairs' (table expected, got number)"},
	})
}

// Positions and tracebacks skip the runner's internal Lua code.
func TestHost_InternalSourcesHaveNoPosition(t *testing.T) {
	checkSnippets(t, []snippet{
		{"local own = load('return function(f) f() end', '=[own]')()\nown(function() string.rep() end)",
			"error: test.lua:2: bad argument #1 to 'rep' (string expected, got no value)"},
		{"local own = load('string.rep()', '=[own]')\n\nown()", "error: test.lua:3: bad argument #1 to 'rep' (string expected, got no value)"},
		{"local own = load('print(debug.traceback())', '=[own]')\nown()", "stack traceback:\n\ttest.lua:2: in the main chunk\n"},
		{`print(pcall(load('error("without a place")', '=[own]')))`, "false\twithout a place\n"},
	})
}
