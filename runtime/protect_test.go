package runtime

import "testing"

func TestProtectedCalls(t *testing.T) {
	checkSnippets(t, []snippet{
		{"local n = 0 local function w(f) pcall(f) n = n + 1 end w(type) w(error) w(error) w(type) print(n)", "4\n"},
		{"local n = 0 local function w(f) xpcall(f, tostring) n = n + 1 end w(error) w(error) print(n)", "2\n"},
		{"local n = 0 local function w(f) pcall(try, f) n = n + 1 end w(error) w(error) print(n)", "2\n"},
		{"local n = 0 local function w() pcall(function() n = n + 1 pcall(error) n = n + 1 error('x') end) n = n + 1 end w() w() print(n)", "6\n"},
		{"local keep for i = 1, 3 do pcall(function() local v = i * 10 keep = function() v = v + 1 return v end error('x') end) end print(keep(), keep())", "31\t32\n"},
		{"local keep xpcall(function() local v = 1 keep = function() v = v + 1 return v end error('x') end, tostring) local a, b, c = 7, 8, 9 print(keep(), keep())", "2\t3\n"},
		{"local co = coroutine.wrap(function() local n = 0 while true do pcall(error) n = n + 1 coroutine.yield(n) end end) co() co() print(co())", "3\n"},
		{"print(pcall(function(...) return select('#', ...), ... end, nil, 2, nil))", "true\t3\tnil\t2\tnil\n"},
		{"print(pcall(setmetatable({}, {__call = function(_, x) return x end}), 'called'))", "true\tcalled\n"},
		{"print(pcall(nil))", "false\ttest.lua:1: attempt to call a nil value\n"},
		{"local function deep(i) local ok, e = pcall(deep, i + 1) if ok then return e end return i end print(deep(1) < 201)", "true\n"},
		{"local function f() return f() + 1 end print((pcall(f)), xpcall(f, function(e) return 'handled ' .. e end))",
			"false\tfalse\thandled test.lua:1: stack overflow: calls nest deeper than 256\n"},
		{"print(xpcall(error, function() error('in the handler', 0) end))", "false\tin the handler\n"},
		{"print(xpcall(function() return 1, nil, 2 end, print))", "true\t1\tnil\t2\n"},
		{"xpcall(print)", "error: test.lua:1: xpcall: argument 2: got nil, want function"},
		{"print(pcall(coroutine.yield))", "false\ttest.lua:1: coroutine.yield: can't yield outside of a coroutine\n"},
		{"print(coroutine.resume(coroutine.create(function() pcall(coroutine.yield, 1) return 'on' end)))", "true\ton\n"},
		{"print(coroutine.running(), pcall(coroutine.running))", "nil\ttrue\tnil\n"},
		{"local co co = coroutine.create(function() print(coroutine.running() == co, select(2, pcall(coroutine.running)) == co) end) coroutine.resume(co)", "true\ttrue\n"},
	}, failing...)
}
