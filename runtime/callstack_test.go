package runtime

import (
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

const recursive = `local function r(n) if n == 0 then return 0 end return 1 + r(n - 1) end
local function range(a, b) if a > b then return {} end local t = range(a, b - 1) t[#t + 1] = b return t end
local function endless() return 1 + endless() end
`

func TestCallStack_CallsNestDeep(t *testing.T) {
	checkSnippets(t, []snippet{
		{recursive + `print(r(19900), #range(0, 255), #range(1, 15000))`, "19900\t256\t15000\n"},
		{recursive + `print(coroutine.resume(coroutine.create(function() return r(19900) end)))`, "true\t19900\n"},
		{recursive + `print(unpack(all{function() return r(19900) end}))`, "19900\n"},
		{recursive + `local function f(n) if n == 0 then return r(4000) end return 1 + f(n - 1) end
local function g(n) if n == 0 then local ok, n = pcall(f, 9000) return n end return 1 + g(n - 1) end print(g(5000), g(15000))`, "18000\t28000\n"},
		{`local c = setmetatable({}, {__call = function(self, n) if n == 0 then return 0 end return 1 + self(n - 1) end}) print(c(19000))`,
			"19000\n"},
		{`local function s(n) if n == 0 then return 0 end local m table.sort({2, 1}, function(a, b) m = m or s(n - 1) return a < b end) return m + 1 end
print(s(2000))`, "2000\n"},
	}, tasking...)
}

func TestCallStack_OverflowCanBeCaught(t *testing.T) {
	const nested = "stack overflow: metamethods, iterators or callbacks nest too deep"
	checkSnippets(t, []snippet{
		{recursive + "endless()", "error: test.lua:3: stack overflow: calls nest deeper than 20000"},
		{recursive + "print(pcall(endless)) print(r(19900))",
			"false\ttest.lua:3: stack overflow: calls nest deeper than 20000\n19900\n"},
		{recursive + "print(xpcall(endless, function(e) return e .. '!' .. r(20) end))",
			"false\ttest.lua:3: stack overflow: calls nest deeper than 20000!20\n"},
		{recursive + "print(xpcall(endless, endless))", "false\ttest.lua:3: stack overflow: calls nest deeper than 20000\n"},
		{recursive + "print(coroutine.resume(coroutine.create(endless)))",
			"false\ttest.lua:3: stack overflow: calls nest deeper than 20000\n"},
		{recursive + "print(pcall(coroutine.wrap(endless)))", "false\ttest.lua:3: stack overflow: calls nest deeper than 20000\n"},
		{recursive + "print(unpack(all{endless}))", "test.lua:3: stack overflow: calls nest deeper than 20000\n"},
		{`local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) print(pcall(function() return t[1] end))`,
			"false\ttest.lua:1: " + nested + "\n"},
		{`local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) print(coroutine.resume(coroutine.create(function() return t[1] end)))`,
			"false\t" + nested + "\n"},
	}, tasking...)
}

// Checks the private fields of a thread that extend uses. If a version of gopher-lua has others, calls nest only 320
// deep.
func TestCallStack_PrivateParts(t *testing.T) {
	if !extendsStacks {
		t.Fatal("gopher-lua's threads have no call stacks in segments, or no table of instructions")
	}
	h, _ := testHost(t)
	thread, _ := h.main.NewThread()
	if n := len((*callStack)(stackOf(thread).value).segments); n != callStackSize/lua.FramesPerSegment {
		t.Errorf("a new call stack has a list of %d segments", n)
	}
	values := registryOf(thread)
	if len(values.values) == 0 || values.growBy != thread.Options.RegistryGrowStep || hasGrown(thread) {
		t.Errorf("a new thread has %d values and grows by %d", len(values.values), values.growBy)
	}
}

// A thread that took much memory isn't kept for the next tasks and protected calls.
func TestCallStack_GrownThreadsAreNotKept(t *testing.T) {
	h, out := testHost(t, tasking...)
	if got := output(t, h, out, recursive+"local f = {} for i = 1, 20 do f[i] = function() return r(5000) end end print(#all(f))"); got != "20\n" {
		t.Fatal(strings.TrimSpace(got))
	}
	for _, thread := range h.scheduler.spare {
		if hasGrown(thread) {
			t.Error("a thread is kept with a long call stack")
		}
	}
}
