package runtime

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The lists hold programs, and their output in dkvrun. Lua 5.1 gives the same, apart from positions, from names where
// it has only "?", and from the programs in lua51Differs.

var lua51Arguments = []snippet{
	{`print(pcall(setmetatable, print, nil))`,
		"false\ttest.lua:1: bad argument #1 to 'setmetatable' (table expected, got function)\n"},
	{`print(pcall(setmetatable, {}))`, "false\ttest.lua:1: bad argument #2 to 'setmetatable' (nil or table expected)\n"},
	{`print(getmetatable(setmetatable(setmetatable({}, {}), nil)))`, "nil\n"},
	{`print(pcall(setmetatable, setmetatable({}, {__metatable = false}), {}))`,
		"false\ttest.lua:1: cannot change a protected metatable\n"},
	{`print(select("#", pcall(error)), pcall(error))`, "2\tfalse\tnil\n"},
	{`print(pcall(error, nil))`, "false\tnil\n"},
	{`print(load(function() return {} end))`, "nil\treader function must return a string\n"},
	{`print(pcall(load), pcall(loadstring, print))`,
		"false\tfalse\ttest.lua:1: bad argument #1 to 'loadstring' (string expected, got function)\n"},
	{`for s in ("^a^a"):gmatch("^a") do io.write(s, " ") end print(("^a"):match("^a"), ("a"):match("^a"))`, "^a ^a nil\ta\n"},
	{`print(string.format("%q", "a\nb\r\0\9\200\\\""))`, "\"a\\\nb\\r\\000\t\xc8\\\\\\\"\"\n"},
	{`print(pcall(string.rep))`, "false\ttest.lua:1: bad argument #1 to 'string.rep' (string expected, got no value)\n"},
	{`("x"):rep()`, "error: test.lua:1: bad argument #1 to 'rep' (number expected, got no value)"},
	{`("x").rep()`, "error: test.lua:1: bad argument #1 to 'rep' (string expected, got no value)"},
	{`io.stdout.write()`, "error: test.lua:1: io.stdout:write: call it with a colon"},
	{`local t = {rep = string.rep} t:rep(1)`, "error: test.lua:1: calling 'rep' on bad self (string expected, got table)"},
	{`local r = string.rep r({})`, "error: test.lua:1: bad argument #1 to 'r' (string expected, got table)"},
	{`return string.rep("x", {})`, "error: test.lua:1: bad argument #2 to 'rep' (number expected, got table)"},
	{`print(("x"):rep("0x3"), ("abc"):sub("2"), ("abc"):find("c", "2"), table.concat({1, 2, 3}, 0, "2"))`, "xxx\tbc\t3\t203\n"},
	{`math.floor({})`, "error: test.lua:1: bad argument #1 to 'floor' (number expected, got table)"},
	{`table.insert(1, 2)`, "error: test.lua:1: bad argument #1 to 'insert' (table expected, got number)"},
	{`select(0)`, "error: test.lua:1: bad argument #1 to 'select' (index out of range)"},
}

func TestLua51_Arguments(t *testing.T) { checkSnippets(t, lua51Arguments) }

var lua51Names = []snippet{
	{`local t = {} t.x()`, "error: test.lua:1: attempt to call field 'x' (a nil value)"},
	{`local t = {} return t.x()`, "error: test.lua:1: attempt to call field 'x' (a nil value)"},
	{`local t = {} t.x.y = 1`, "error: test.lua:1: attempt to index field 'x' (a nil value)"},
	{`local t = {} return t.x.y`, "error: test.lua:1: attempt to index field 'x' (a nil value)"},
	{`local t = {} return t.x:y()`, "error: test.lua:1: attempt to index field 'x' (a nil value)"},
	{`local t = {} return t[1].y`, "error: test.lua:1: attempt to index a nil value with key 'y'"},
	{`local x x()`, "error: test.lua:1: attempt to call local 'x' (a nil value)"},
	{`local x = 5 x.y = 1`, "error: test.lua:1: attempt to index local 'x' (a number value)"},
	{`local x local function f() x() end f()`, "error: test.lua:1: attempt to call upvalue 'x' (a nil value)"},
	{`x = false x.y = 1`, "error: test.lua:1: attempt to index global 'x' (a boolean value)"},
	{`x = false x()`, "error: test.lua:1: attempt to call global 'x' (a boolean value)"},
	{`(5)()`, "error: test.lua:1: attempt to call a number value"},
	{`for i in 5 do end`, "error: test.lua:1: attempt to call a number value"},
	{`local t = {} return 2 ^ t.n`, "error: test.lua:1: attempt to perform arithmetic on field 'n' (a nil value)"},
	{`local t = {n = "x"} return t.n * 2`, "error: test.lua:1: attempt to perform arithmetic on field 'n' (a string value)"},
	{`local a, b = 1, {} return a + b`, "error: test.lua:1: attempt to perform arithmetic on local 'b' (a table value)"},
	{`return 1 + {}`, "error: test.lua:1: attempt to perform arithmetic on a table value"},
	{`local t = {} return -t`, "error: test.lua:1: attempt to perform arithmetic on local 't' (a table value)"},
	{`local t = {} return "a" .. t.port .. "b"`, "error: test.lua:1: attempt to concatenate field 'port' (a nil value)"},
	{`local a, b = 1 return a .. b`, "error: test.lua:1: attempt to concatenate local 'b' (a nil value)"},
	{`local n return #n`, "error: test.lua:1: attempt to get length of local 'n' (a nil value)"},
	{`return {} < {}`, "error: test.lua:1: attempt to compare two table values"},
	{`return 1 < "x"`, "error: test.lua:1: attempt to compare number with string"},
	{`for i = 1, {} do end`, "error: test.lua:1: 'for' limit must be a number"},
	{`for i = {}, 1 do end`, "error: test.lua:1: 'for' initial value must be a number"},
	{`for i = 1, 2, {} do end`, "error: test.lua:1: 'for' step must be a number"},
	{`local t = {} t[nil] = 1`, "error: test.lua:1: table index is nil"},
	{`local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x`, "error: test.lua:1: loop in gettable"},
	// A register has another name once a block has ended.
	{"do\n local x = 1 end\nlocal t = {} return t.a.b", "error: test.lua:3: attempt to index field 'a' (a nil value)"},
	{`do local x = 1 end string.a.b.c()`, "error: test.lua:1: attempt to index field 'a' (a nil value)"},
	{`for i = 1, 2 do local x = i end string.a.b.c()`, "error: test.lua:1: attempt to index field 'a' (a nil value)"},
	{`local function f(n) if n == 0 then local x, y = 1 return end return f(n - 1) + 1 end f(1)`,
		"error: test.lua:1: attempt to perform arithmetic on a nil value"},
	{"for i = 1, 2 do\n local x x.y = 1\nend", "error: test.lua:2: attempt to index local 'x' (a nil value)"},
	{`local function f(a, ...) local b = ... b() end f(1)`, "error: test.lua:1: attempt to call local 'b' (a nil value)"},
	{"local t = {}\nfunction t:m(x) return self.n.k end t:m()", "error: test.lua:2: attempt to index field 'n' (a nil value)"},
	{`print(coroutine.resume(coroutine.create(function() local x x() end)))`,
		"false\ttest.lua:1: attempt to call local 'x' (a nil value)\n"},
	{`print(pcall(coroutine.wrap(function() local x x() end)))`, "false\ttest.lua:1: attempt to call local 'x' (a nil value)\n"},
	// What a script raises stays as it is.
	{`error("bad argument #1 to f (x)")`, "error: test.lua:1: bad argument #1 to f (x)"},
	{`error("attempt to call a non-function object", 0)`, "error: attempt to call a non-function object"},
	{`print(pcall(coroutine.wrap(function() error("__len undefined", 0) end)))`, "false\t__len undefined\n"},
	{`print(coroutine.resume(coroutine.create(function() error("__len undefined") end)))`, "false\ttest.lua:1: __len undefined\n"},
}

func TestLua51_NamesInMessages(t *testing.T) { checkSnippets(t, lua51Names) }

func TestLua51_FramesAreKnown(t *testing.T) {
	if !knowsFrames {
		t.Error("gopher-lua's frames have other fields: let callFrame follow")
	}
}

var lua51Sources = []snippet{
	{"local s = \"a\\\r\nb\" print(#s, s)", "3\ta\nb\n"},
	{"local s = [[\r\na\r\nb\n\rc\rd]] print(#s)", "7\n"},
	{"local s = [[\r\na\r\nb\n\rc\rd]]\r\n--[[\r\n]] error('x')", "error: test.lua:7: x"},
	{`return "\256"`, `error: test.lua:1: escape sequence \256 is too large: bytes are \0 to \255`},
	{`print(#"\2551\0\00012", "\x41\z")`, "6\tx41z\n"},
	{`return 1e5e5`, "error: test.lua:1: malformed number near '1e5e5'"},
	{`return 0xg`, "error: test.lua:1: malformed number near '0xg'"},
	{`return 3..2`, "error: test.lua:1: malformed number near '3..2'"},
	{`print(.5, 5., 3e2, 3E-2, 0xA, 0XfF, 1e+2, 08, 010, 1 ..2)`, "0.5\t5\t300\t0.03\t10\t255\t100\t8\t10\t12\n"},
	{`local 1 = 2`, "error: test.lua:1: unexpected '1': expected a name"},
	{`print('it''s')`, "error: test.lua:1: unexpected string: expected ')', to close the '(' of line 1"},
	{`local t = {1,,2}`, "error: test.lua:1: unexpected ',': expected an expression"},
	{"--[=x\nprint(1) --[==y", "1\n"},
}

func TestLua51_Sources(t *testing.T) { checkSnippets(t, lua51Sources) }

var lua51Libraries = []snippet{
	{`print(tonumber("ffffffffffffffff", 16) == 2^64, tonumber("1z", 36), tonumber("0Xff", 16), tonumber("0x", 16))`, "true\t71\t255\tnil\n"},
	{`print(tonumber(("f"):rep(40), 16) == 2^64, tonumber("8", 8), tonumber(" 12 ", 10))`, "true\tnil\t12\n"},
	{`print(table.maxn({}), table.maxn({[0.5] = 1}), table.maxn({1, 2, [9.5] = 1}), table.maxn({[-1] = 1}))`, "0\t0.5\t9.5\t0\n"},
	{`local w = coroutine.wrap(function() error("x") end) print(pcall(w)) print(pcall(w))`,
		"false\ttest.lua:1: x\nfalse\ttest.lua:1: cannot resume dead coroutine\n"},
	{`local c = coroutine.create(function() error("x") end) coroutine.resume(c) print(coroutine.status(c), coroutine.resume(c))`,
		"dead\tfalse\tcannot resume dead coroutine\n"},
	{`print(pcall(loadstring("error('e')", "return 1\nerror('e')")))`, "false\t[string \"return 1...\"]:1: e\n"},
	{`print(pcall(loadstring("\n\nerror('e')", "one")), pcall(loadstring("error('e')", "=one")), pcall(loadstring("error('e')", "@=one")))`,
		"false\tfalse\tfalse\t=one:1: e\n"},
	{`print(pcall(loadstring("error('e')", "")))`, "false\t[string \"\"]:1: e\n"},
	{`print((pcall(math.random, 1, 2, 3)))`, "false\n"},
	{`print(tostring(setmetatable({}, {__tostring = function() return nil end})))`, "nil\n"},
	{`print(type(tostring(setmetatable({}, {__tostring = function() return 5 end}))))`, "number\n"},
	{`print(table.foreach({7, a = 8}, function(k, v) io.write(tostring(k), "=", v, " ") end))`, "1=7 a=8 \n"},
	{`print(type(collectgarbage("count")), collectgarbage(), pcall(collectgarbage, "x"))`,
		"number\t0\tfalse\ttest.lua:1: bad argument #1 to 'collectgarbage' (invalid option 'x')\n"},
	{`print(math.floor("010"), math.max("3", 2), math.modf(1 / 0), math.modf(-3.5))`, "10\t3\tinf\t-3\t-0.5\n"},
	{`print(math.modf(-1 / 0))`, "-inf\t0\n"},
	{`math.floor("x")`, "error: test.lua:1: bad argument #1 to 'floor' (number expected, got string)"},
	{`print(select("2", 1, 5), select(-1, 1, 2), select(3, 1), select("#", nil, nil))`, "5\t2\tnil\t2\n"},
	{`print(pcall(select, "x"))`, "false\ttest.lua:1: bad argument #1 to 'select' (number expected, got string)\n"},
	{`print(pcall(select), pcall(select, -5, 1))`, "false\tfalse\ttest.lua:1: bad argument #1 to 'select' (index out of range)\n"},
	{`print(pcall(tonumber, print, 3))`, "false\ttest.lua:1: bad argument #1 to 'tonumber' (string expected, got function)\n"},
	{`("x"):gsub("y")`, "error: test.lua:1: bad argument #2 to 'gsub' (string/function/table expected, got no value)"},
	{`print(pcall(table.concat, {1, {}, 3}))`, "false\ttest.lua:1: invalid value (table) at index 2 in table for 'concat'\n"},
	{`print(table.foreachi({7, 8}, function(i, v) if v == 8 then return i end end))`, "2\n"},
	{`print(string.gfind == string.gmatch, pcall(table.setn, {}, 1))`, "true\tfalse\ttest.lua:1: 'setn' is obsolete\n"},
	{`local env = {} setfenv(0, env) print(getfenv(loadstring("return 1")) == env, getfenv(1) == _G)`, "true\ttrue\n"},
}

func TestLua51_Libraries(t *testing.T) { checkSnippets(t, lua51Libraries) }

// lua51Differs has the reasons why Lua 5.1 gives another output.
var lua51Differs = map[string]string{
	`("x"):gsub("y")`:                       "it does not say what it got",
	`print(math.modf(-1 / 0))`:              "zero has a sign",
	`print(load(function() return {} end))`: "its load adds a stack traceback",
	`io.stdout.write()`:                     "its files have another type",
	`local t = {} return t[1].y`:            "it has field '?' for a key that is no text",
	`return "\256"`:                         "errors of syntax have other words",
	`local 1 = 2`:                           "errors of syntax have other words",
	`print('it''s')`:                        "errors of syntax have other words",
	`local t = {1,,2}`:                      "errors of syntax have other words",
	`local env = {} setfenv(0, env) print(getfenv(loadstring("return 1")) == env, getfenv(1) == _G)`: "its program needs the globals",
}

// withoutPlaces removes positions, and the names of library functions, which Lua 5.1 doesn't know everywhere.
func withoutPlaces(output string) string {
	output = strings.ReplaceAll(output, "test.lua:1: ", "")
	return regexp.MustCompile(`to '[\w.?]+' \(`).ReplaceAllString(output, "to '?' (")
}

// outputOfLua51 runs a program with Lua 5.1 and returns its output, or "error: " and its error.
func outputOfLua51(t *testing.T, lua51, folder, script string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, "test.lua"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(lua51, "test.lua")
	cmd.Dir = folder
	out, err := cmd.Output()
	var failed *exec.ExitError
	switch {
	case err == nil:
		return string(out)
	case !errors.As(err, &failed):
		t.Fatal(err)
	}
	message, _, _ := strings.Cut(strings.TrimPrefix(string(failed.Stderr), lua51+": "), "\nstack traceback")
	return "error: " + strings.TrimSpace(message)
}

func TestLua51_AgreesWithLua51(t *testing.T) {
	lua51, err := exec.LookPath("lua5.1")
	if err != nil {
		t.Log("lua5.1 is not installed: only the outputs above are compared")
		return
	}
	folder := t.TempDir()
	for _, list := range [][]snippet{lua51Arguments, lua51Names, lua51Sources, lua51Libraries} {
		for _, s := range list {
			got := withoutPlaces(outputOfLua51(t, lua51, folder, s.script))
			same := got == withoutPlaces(s.want)
			if why, known := lua51Differs[s.script]; same == known {
				t.Errorf("%s\nLua 5.1 %q\ndkvrun  %q\nlisted as a difference: %s", s.script, got, withoutPlaces(s.want), why)
			}
		}
	}
}
