package runtime

import (
	"strings"
	"testing"
)

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

// Programs that run coroutines inside pcall, and their results in Lua 5.1. Tasks that run at the same time give the
// same.
var nestedCoroutines = []snippet{
	{`local co = coroutine.wrap(function() local ok, e = pcall(error, "x", 0) coroutine.yield(e) return ok end) return tostring(co()) .. tostring(co())`,
		"xfalse"},
	{`local co = coroutine.create(function() error({1}) end) local ok, e = coroutine.resume(co) return tostring(ok) .. type(e) .. coroutine.status(co)`,
		"falsetabledead"},
	{`local ok, e = pcall(function() coroutine.wrap(function() error("w", 0) end)() end) return tostring(ok) .. e`,
		"falsew"},
	{`local ok, e = pcall(function() local c = coroutine.wrap(function() coroutine.yield(1) error("w2", 0) end) c() c() end) return tostring(ok) .. e`,
		"falsew2"},
	{`local co co = coroutine.create(function() return coroutine.running() == co, coroutine.status(co) end) local _, a, b = coroutine.resume(co) return tostring(a) .. b .. coroutine.status(co)`,
		"truerunningdead"},
	{`local co co = coroutine.create(function() return pcall(function() return coroutine.running() == co, coroutine.status(co) end) end) local _, a, b, c = coroutine.resume(co) return tostring(a) .. tostring(b) .. tostring(c)`,
		"truetruerunning"},
	{`local out = {} local co = coroutine.wrap(function(...) local a = ... while true do local ok, e = pcall(function() if a % 3 == 0 then error("three", 0) end return a * 2 end) a = coroutine.yield(e) end end) for i = 1, 7 do out[i] = tostring(co(i)) end return table.concat(out, ",")`,
		"2,4,three,8,10,three,14"},
	{`local outer = coroutine.wrap(function() local inner = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) for i = 1, 3 do coroutine.yield(inner() * 10) end end) return outer() + outer() + outer()`,
		"60"},
	{`local co = coroutine.create(function() return pcall(function() local c = coroutine.wrap(function() coroutine.yield(5) end) return c() end) end) return tostring(select(3, coroutine.resume(co)))`,
		"5"},
	{`local co = coroutine.create(function() return 1 end) coroutine.resume(co) local ok, e = coroutine.resume(co) return tostring(ok) .. e`,
		"falsecannot resume dead coroutine"},
	{`local n = 0 local co = coroutine.wrap(function() local t = setmetatable({}, {__index = function(_, k) n = n + 1 return n end}) while true do coroutine.yield(t.x) end end) co() co() return co() .. n`,
		"33"},
	{`local ok, e = xpcall(function() coroutine.wrap(function() error("deep", 0) end)() end, function(m) return m .. "!" end) return tostring(ok) .. e`,
		"falsedeep!"},
	{`local co = coroutine.create(function(a, b) local c, d = coroutine.yield(a + b, a * b) return c .. d end) local _, x, y = coroutine.resume(co, 2, 3) local _, z = coroutine.resume(co, "p", "q") return x .. y .. z`,
		"56pq"},
	{`local t = {} for i = 1, 5 do t[i] = coroutine.create(function() for j = 1, i do coroutine.yield(j) end end) end local s, live = 0, true while live do live = false for i = 1, 5 do if coroutine.status(t[i]) ~= "dead" then live = true local _, v = coroutine.resume(t[i]) s = s + (v or 0) end end end return s`,
		"35"},
}

func TestHost_NestedCoroutinesInTasks(t *testing.T) {
	napping := strings.NewReplacer("coroutine.resume(", "coroutine.resume(nap() or ", "coroutine.wrap(", "coroutine.wrap(nap() or ")
	functions, want := "local f = {\n", ""
	for _, s := range nestedCoroutines {
		functions += "function() " + napping.Replace(s.script) + " end,\n"
		want += s.want + "\n"
	}
	checkSnippets(t, []snippet{
		{functions + "} for i = 1, #f do print(f[i]()) end", want},
		{functions + "} for i, v in ipairs(all(f)) do print(v) end", want},
		{functions + `} local tasks = {} for i = 1, #f do
tasks[i] = function() local co = coroutine.create(function() return pcall(f[i]) end) return select(3, coroutine.resume(co)) end end
for i, v in ipairs(all(tasks)) do print(v) end`, want},
	}, tasking...)
}
