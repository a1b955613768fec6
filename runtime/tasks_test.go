package runtime

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCoroutinesOfTasks(t *testing.T) {
	checkSnippets(t, []snippet{
		{"print(unpack(all{function() return tostring(coroutine.running()) end}))", "nil\n"},
		{"all{function() local co co = coroutine.create(function() nap() print(coroutine.running() == co, coroutine.status(co)) end) coroutine.resume(co) print(coroutine.status(co)) end, nap, nap}",
			"true\trunning\ndead\n"},
		{"local co = coroutine.create(function() nap(0.02) coroutine.yield('yielded') end)\n" +
			"all{function() print(coroutine.resume(co)) end, function() print(coroutine.status(co), coroutine.resume(co)) end}",
			"normal\tfalse\tcan't resume a coroutine that is active: itself, one that runs this one, or another task's\ntrue\tyielded\n"},
		{"local next = coroutine.wrap(function() for i = 1, 3 do nap(0.02) coroutine.yield(i) end end)\n" +
			"local r = all{next, function() return next() end} print(r[1], r[2]) print(next())",
			"1\ttest.lua:2: coroutine.wrap: can't resume a coroutine that is active: itself, one that runs this one, or another task's\n2\n"},
		{"local next all{function() next = coroutine.wrap(function() coroutine.yield(1) nap() coroutine.yield(2) end) print(next()) end} print(next())", "1\n2\n"},
		{"local outer outer = coroutine.create(function() coroutine.resume(coroutine.create(function() print(coroutine.status(outer)) end)) end) coroutine.resume(outer)", "normal\n"},
	}, tasking...)
}

// ticks gives 1, 2, 3, each after a while.
var ticks = Builtin{Name: "ticks", Impl: func(c *Call) (any, error) {
	i := 0
	return Iterator(func() ([]any, error) {
		if i++; i > 3 {
			return nil, nil
		}
		time.Sleep(10 * time.Millisecond) // stands for a slow answer
		return []any{i}, nil
	}), nil
}}

func TestIteratorsLetOtherTasksRun(t *testing.T) {
	checkSnippets(t, []snippet{
		{"all{function() for i in ticks() do print(i) end end, function() print('beside') end}", "beside\n1\n2\n3\n"},
		{"local next = ticks() local r = all{next, next} print(r[1], r[2])",
			"1\ttest.lua:1: iterator: another task is waiting for its next values: let each task have its own\n"},
	}, append(tasking, ticks)...)
}

// TestRandomNumbersFollowTheTask looks whether numbers depend on which task is how quick.
func TestRandomNumbersFollowTheTask(t *testing.T) {
	const script = `
local naps = {%s}
local f = {}
for i, n in ipairs(naps) do
  f[i] = function()
    local one = math.random(1e6)
    nap(n)
    return one .. "," .. math.random(1e6) .. "," .. all{function() return math.random(1e6) end}[1]
  end
end
print(math.random(1e6), table.concat(all(f), " "), math.random(1e6))`
	run := func(seed uint64, naps string) string {
		var out strings.Builder
		h := New(Options{Builtins: tasking, Stdout: &out, Seed: seed})
		defer h.Close()
		if _, err := h.RunSource(context.Background(), "test.lua", []byte(fmt.Sprintf(script, naps))); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	one, other := run(7, "0.02, 0.01, 0"), run(7, "0, 0.01, 0.02")
	if one != other {
		t.Errorf("one seed gave\n%sand\n%s", one, other)
	}
	seen := map[string]bool{}
	for _, number := range strings.FieldsFunc(one, func(r rune) bool { return r < '0' || r > '9' }) {
		if seen[number] {
			t.Errorf("two tasks had the number %s: %s", number, one)
		}
		seen[number] = true
	}
	if run(8, "0, 0, 0") == one {
		t.Error("two seeds gave the same numbers")
	}
	checkSnippets(t, []snippet{
		{"local function draw() math.randomseed(3) return all{function() return math.random(1e9) end}[1] .. math.random(1e9) end print(draw() == draw())", "true\n"},
	}, tasking...)
}

func TestModulesOfTasks(t *testing.T) {
	dir := t.TempDir()
	for name, source := range map[string]string{
		"slow":  "nap(0.02) loads = (rawget(_G, 'loads') or 0) + 1 return {}",
		"ping":  "nap(0.01) require('pong') return {}",
		"pong":  "nap(0.01) require('ping') return {}",
		"child": "return all{function() return select(2, pcall(require, 'child')) end}[1]",
		"fails": "nap(0.01) error('not today')",
	} {
		if err := os.WriteFile(filepath.Join(dir, name+".lua"), []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []snippet{
		{"local f = function() return require('slow') end local r = all{f, f, f} print(r[1] == r[2] and r[2] == r[3], loads)", "true\t1\n"},
		{"for _, e in ipairs(all{function() return require('ping') end, function() return require('pong') end}) do print((tostring(e):match('modules require each other'))) end",
			"modules require each other\nmodules require each other\n"},
		{"print((tostring(require('child')):gsub('^.*/', '')))", "child.lua:1: require: modules require each other: child → child\n"},
		{"local f = function() return (select(2, pcall(require, 'fails')):gsub('^.*/', '')) end for _, e in ipairs(all{f, f}) do print(e) end", "fails.lua:1: not today\nfails.lua:1: not today\n"},
	} {
		var out strings.Builder
		h := New(Options{Builtins: tasking, Stdout: &out, Path: []string{dir}})
		if _, err := h.RunSource(context.Background(), "test.lua", []byte(s.script)); err != nil {
			t.Errorf("%s: %v", s.script, err)
		} else if out.String() != s.want {
			t.Errorf("%s\n got %q\nwant %q", s.script, out.String(), s.want)
		}
		h.Close()
	}
}
