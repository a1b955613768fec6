package tests

import (
	"fmt"
	"strings"
	"testing"
)

// expression is an input that gives an expression or a chunk to dkvrun.
func expression(name, chunk string, status int, stdout, stderr string) input {
	return input{name: name, args: []string{"-e", chunk}, status: status, stdout: stdout, stderr: stderr}
}

// refusedSource is a source with an error in its syntax, which dkvrun and dkvrun check report alike.
func refusedSource(name, source string, column int, problem string) []input {
	files := map[string]string{"refused.lua": source}
	return []input{
		{name: name, args: []string{"refused.lua"}, files: files, status: 2, stderr: `dkvrun: refused\.lua:1: ` + problem},
		{name: name + ", checked", args: []string{"check", "refused.lua"}, files: files, status: 1,
			stdout: fmt.Sprintf(`refused\.lua:1:%d: error: %s \[syntax\]`, column, problem)},
	}
}

// shape is a source that has a certain shape, and would take long to compile if its time weren't linear.
func shape(name, source string, column int, problem string) []input {
	inputs := refusedSource(name, source, column, problem)
	inputs[0].args = append([]string{"--timeout", "5"}, inputs[0].args...)
	inputs[1].args = append([]string{"check", "--timeout", "5"}, inputs[1].args[1:]...)
	return inputs
}

const deepRecursion = `local function range(a, b)
  if a > b then return {} end
  local t = range(a, b - 1)
  t[#t + 1] = b
  return t
end
print(#range(0, 255), #range(1, 15000))
print(pcall(range, 1, math.huge))
print(spawn(function() return #range(1, 15000) end):wait())`

// luaInputs has programs for which Lua in dkvrun once gave other results than Lua 5.1, and was slow or limited.
func luaInputs() []input {
	const tooMany = "an expression has more than 5000 parts: split it"
	var names, values []string
	for i := range 194 {
		names, values = append(names, fmt.Sprint("v", i+1)), append(values, fmt.Sprint(i+1))
	}
	locals := "local " + strings.Join(names, ",") + " = " + strings.Join(values, ",") +
		"\nv1,v2,v3,v4,v5,v6,v7 = v7,v6,v5,v4,v3,v2,v1 print(v1, v2, v4, v7, v194)"
	tower := func(call string) string { return "local t = {1} for i = 1, 60 do t = {t, t} end " + call }
	crlf := map[string]string{"crlf.lua": "print(#\"a\\\r\nb\")\r\nerror('third')\r\n"}

	var inputs []input
	add := func(more ...input) { inputs = append(inputs, more...) }
	add(
		input{name: "line ends of Windows", args: []string{"crlf.lua"}, files: crlf, status: 1, stdout: "3",
			stderr: `dkvrun: crlf\.lua:3: third`},
		input{name: "line ends of Windows, checked", args: []string{"check", "crlf.lua"}, files: crlf},

		expression("the metatable of strings", `setmetatable("x", {})`, 1, "",
			`dkvrun: -e:1: bad argument #1 to 'setmetatable' \(table expected, got string\)`),
		expression("the metatable of strings stays",
			`pcall(setmetatable, "x", {}) print(("abc"):upper()) print(spawn(function() return ("abc"):upper() end):wait())`,
			0, "ABC\nABC", ""),
		expression("the metatable of numbers", `setmetatable(5, {})`, 1, "",
			`dkvrun: -e:1: bad argument #1 to 'setmetatable' \(table expected, got number\)`),
		expression("the metatable of booleans", `setmetatable(true, {})`, 1, "",
			`dkvrun: -e:1: bad argument #1 to 'setmetatable' \(table expected, got boolean\)`),
	)
	add(refusedSource("escape", `return "\400"`, 9, `escape sequence \\400 is too large: bytes are \\0 to \\255`)...)
	add(refusedSource("number before a name", `local a = 3y = 4`, 11, `malformed number near '3y'`)...)
	add(refusedSource("number without its end", `return 1e`, 8, `malformed number near '1e'`)...)
	add(refusedSource("local function with a field", `local function f.x() end`, 17, `unexpected '\.': expected '\('`)...)
	add(
		expression("error without a message", `print(pcall(error))`, 0, "false\tnil", ""),
		expression("load from a function that fails", `print(load(function() error("x") end))`, 0, "nil\t-e:1: x", ""),
		expression("gmatch has no anchor", `for s in ("^a^a"):gmatch("^a") do print(s) end`, 0, "\\^a\n\\^a", ""),
		expression("%q keeps a line end", `print(string.format("%q", "a\nb"))`, 0, "\"a\\\\\nb\"", ""),

		input{name: "assignment beside 194 locals", args: []string{"locals.lua"}, files: map[string]string{"locals.lua": locals},
			stdout: "7\t6\t4\t1\t194"},
		input{name: "time of pcall", shown: &shown{"tests/bench/lua.go", "", `for _ = 1, 300000 do pcall(f) end`, "luaTarget"}},
		input{name: "time of swaps", shown: &shown{"tests/bench/lua.go", "", `for _ = 1, 3000000 do a, b = b, a end`, "luaTarget"}},
		input{name: "deep recursion", args: []string{"deep.lua"}, files: map[string]string{"deep.lua": deepRecursion},
			stdout: "256\t15000\nfalse\tdeep.lua:3: stack overflow: calls nest deeper than 20000\n15000"},
		expression("endless recursion", `local function f() return 1 + f() end f()`, 1, "",
			"dkvrun: -e:1: stack overflow: calls nest deeper than 20000"),

		expression("argument of a function without a name", `print(pcall(tostring))`, 0,
			`false`+"\t"+`-e:1: bad argument #1 to 'tostring' \(value expected\)`, ""),
		expression("method that there is not", `("x"):nope()`, 1, "", `dkvrun: -e:1: attempt to call method 'nope' \(a nil value\)`),
		expression("field that is nil", `local server = {host = "10.0.0.11"} print(server.host .. ":" .. server.port)`, 1, "",
			`dkvrun: -e:1: attempt to concatenate field 'port' \(a nil value\)`),

		input{name: "tag with letters of other languages", args: []string{"test", "--tags", "größe", "tags_test.lua"},
			files: map[string]string{"tags_test.lua": `
it("one #größe", function() end)
it("two #a#b", function() error("the second") end)
it("three", function() error("the third") end)`},
			stdout: "(?s).*PASSED: 1 passed, in 1 file, .*"},
		input{name: "tag after a tag", args: []string{"test", "--tags", "b", "tags_test.lua"}, status: 1,
			stdout: "(?s).*the second.*FAILED: 0 passed, 1 with errors, in 1 file, .*"},
	)
	add(shape("functions added", "x=1"+strings.Repeat("+function()end", 16_000), 34_991, tooMany)...)
	add(shape("functions added, 1 MiB", "x=1"+strings.Repeat("+function()end", 74_000), 34_991, tooMany)...)
	add(shape("calls of calls", "f"+strings.Repeat("{1;}", 16_000), 9_999, tooMany)...)
	add(shape("calls of calls, 1 MiB", "f"+strings.Repeat("{1;}", 260_000), 9_999, tooMany)...)
	add(
		input{name: "other shapes", args: []string{"shapes.lua"}, files: map[string]string{"shapes.lua": `local began = os.clock()
local function compile(text) print((select(2, loadstring(text)))) end
compile("x" .. ("(a,a)"):rep(50000))
compile("x=a" .. ("..a"):rep(50000))
compile("if a then" .. ("\nelseif a then x()"):rep(30000) .. " end")
compile(("::l::"):rep(10) .. "x=1")
compile(("do end "):rep(100000))
print(os.clock() - began < 20)`},
			stdout: `\(load\):1: an expression has more than 5000 parts: split it
\(load\):1: an expression has more than 5000 parts: split it
\(load\):14142: too many names in nested blocks, or branches in an if: divide the function
\(load\):1: label 'l' already defined on line 1
nil
true`},
		expression("tower, shown", tower("show(t)"), 0, "(?s)\\{.*<…>.*", ""),
		expression("tower, as JSON", tower("json.encode(t)"), 1, "", `dkvrun: -e:1: json\.encode: parameter value: .*holds more than 2000000 values`),
		expression("tower, raised", tower("error(t)"), 1, "", "(?s)dkvrun: .*<…>.*"),
	)
	return inputs
}

// TestLua_EveryInput checks the results of programs, in a run and in dkvrun check.
func TestLua_EveryInput(t *testing.T) {
	t.Parallel()
	checkInputs(t, luaInputs())
}
