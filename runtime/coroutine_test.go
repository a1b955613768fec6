package runtime

import "testing"

func TestHost_Coroutines(t *testing.T) {
	checkSnippets(t, []snippet{
		{`local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end) print(co(1), co(5))`, "2\t10\n"},
		{`local co = coroutine.create(function() error("x") end) print(coroutine.resume(co)) print(coroutine.status(co))`, "false\ttest.lua:1: x\ndead\n"},
		{`local function f() coroutine.wrap(f)() end f()`, "error: test.lua:1: coroutine.wrap: coroutines run inside each other deeper than 100"},
		{`for x in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) do io.write(x, " ") end print()`, "1 2 3 \n"},
		{`coroutine.wrap(function() pcall(function() coroutine.yield(1) end) end)()`, ""},
		{`print(coroutine.wrap(function() return pcall(function() coroutine.yield(1) end) end)())`,
			"false\ttest.lua:1: coroutine.yield: can't yield from inside pcall, or another function that isn't Lua's\n"},
		{`coroutine.wrap(function() table.sort({2, 1}, function() coroutine.yield() end) end)()`,
			"error: test.lua:1: coroutine.yield: can't yield from inside pcall, or another function that isn't Lua's"},
		{`coroutine.yield()`, "error: test.lua:1: coroutine.yield: can't yield outside of a coroutine"},
		{`print(coroutine.wrap(function() return coroutine.yield(7) end)())`, "7\n"},
		{`for _ = 1, 5000 do coroutine.wrap(function() end)() coroutine.create(print) end print("none of them stays")`, "none of them stays\n"},
		{"local keep = {}\nfor i = 1, 2000 do keep[i] = coroutine.create(print) end", "error: test.lua:2: coroutine.create: more than 1000 coroutines are alive"},
		{`coroutine.create(5)`, "error: test.lua:1: bad argument #1 to 'create' (function expected, got number)"},
	})
}

func TestHost_UnsupportedYieldsRaise(t *testing.T) {
	for _, body := range []string{
		`setmetatable({}, {__index = function(t, k) return coroutine.yield(k) end}).x = nil return (setmetatable({}, {__index = function(t, k) return coroutine.yield(k) end}).x)`,
		`setmetatable({}, {__newindex = function(t, k, v) coroutine.yield(k) end}).x = 1`,
		`return setmetatable({}, {__add = function() return coroutine.yield() end}) + 1`,
		`return setmetatable({}, {__concat = function() return coroutine.yield() end}) .. "x"`,
		`return -setmetatable({}, {__unm = function() return coroutine.yield() end})`,
		`for x in function() return coroutine.yield() end do end`,
		`for x in coroutine.yield do end`,
		`table.sort({2, 1}, function() return coroutine.yield() end)`,
		`return (("a"):gsub("a", coroutine.yield))`,
	} {
		checkSnippets(t, []snippet{{`print(coroutine.resume(coroutine.create(function() ` + body + ` end)))`,
			"false\ttest.lua:1: " + yieldInside + "\n"}})
	}
}

// coroutine.yield returns as many values as its caller wants, whatever the coroutine is resumed with.
func TestHost_ValuesOfYield(t *testing.T) {
	for body, want := range map[string]string{
		`local a, b = coroutine.yield() local c = 5 return a, b, c`:                                         "7\t8\t5",
		`local a, b, c, d = coroutine.yield() return d, c, b, a`:                                            "nil\tnil\t8\t7",
		`local t = {} t.x, t.y, t.z = coroutine.yield() return t.z, t.x`:                                    "nil\t7",
		`return (coroutine.yield())`:                                                                        "7",
		`local t = {coroutine.yield()} return #t, (coroutine.yield())`:                                      "2\t7",
		`return 5, coroutine.yield()`:                                                                       "5\t7\t8",
		`coroutine.yield() local z return z`:                                                                "nil",
		`return coroutine.yield() + 1, "x" .. coroutine.yield()`:                                            "8\tx7",
		`local function f() return coroutine.yield() end local a, b, c = f() local d = 5 return a, b, c, d`: "7\t8\tnil\t5",
		`local function f() return (coroutine.yield()) end return f()`:                                      "7",
	} {
		checkSnippets(t, []snippet{{`local c = coroutine.create(function() ` + body + ` end)
		local function goOn(...) if coroutine.status(c) == "dead" then print(select(2, ...)) else goOn(coroutine.resume(c, 7, 8)) end end goOn()`, want + "\n"}})
	}
	checkSnippets(t, []snippet{
		{`local t = {} local w = coroutine.wrap(function() t.x = coroutine.yield() return t.x end) w() print(w())`, "nil\n"},
	})
}

func TestHost_YieldAsTheLastCall(t *testing.T) {
	checkSnippets(t, []snippet{
		{`local c = coroutine.create(function() return coroutine.yield(1) end)
		print(coroutine.resume(c)) print(coroutine.status(c)) print(coroutine.resume(c, 5, nil)) print(coroutine.status(c)) print(coroutine.resume(c))`,
			"true\t1\nsuspended\ntrue\t5\tnil\ndead\nfalse\tcannot resume dead coroutine\n"},
		{`local w = coroutine.wrap(function(...) return coroutine.yield(...) end) print(w(1, 2)) print(w("in")) w()`,
			"error: test.lua:1: cannot resume dead coroutine"},
		{`local w = coroutine.wrap(function() local function inner() return coroutine.yield(1) end return inner() .. "!" end) print(w(), w("in"))`, "1\tin!\n"},
		{`for i = 1, 3000 do coroutine.wrap(function() return coroutine.yield(i) end)() end print("all")`, "all\n"},
	})
}
