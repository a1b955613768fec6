package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tasking are builtins for tasks: all runs functions concurrently and returns the result or error of each, begin starts
// a task without waiting, and nap sleeps.
var tasking = []Builtin{
	{Name: "all", Positional: 1, Params: []Param{{Name: "functions", Type: Any, Required: true}},
		Impl: func(c *Call) (any, error) {
			var tasks []*Task
			for _, f := range c.Value("functions").([]any) {
				t, err := c.Go(c.Context(), f.(*Func))
				if err != nil {
					return nil, err
				}
				tasks = append(tasks, t)
			}
			out := make([]any, len(tasks))
			for i, t := range tasks {
				values, err := t.Result()
				if out[i] = values.First(); err != nil {
					out[i] = err
				}
			}
			return List{Items: out}, c.Context().Err()
		}},
	{Name: "begin", Positional: 2,
		Params: []Param{{Name: "f", Type: Function, Required: true}, {Name: "args", Type: Verbatim, Rest: true}},
		Impl: func(c *Call) (any, error) {
			args, _ := c.Value("args").([]any)
			_, err := c.Go(c.Context(), c.Func("f"), args...)
			return nil, err
		}},
	{Name: "nap", Positional: 1, Params: []Param{{Name: "sec", Type: Number, Default: 0.001}},
		Impl: func(c *Call) (any, error) {
			select {
			case <-time.After(time.Duration(c.Float("sec") * float64(time.Second))):
				return nil, nil
			case <-c.Context().Done():
				return nil, c.Context().Err()
			}
		}},
	{Name: "at_exit", Positional: 1, Params: []Param{{Name: "f", Type: Function, Required: true}},
		Impl: func(c *Call) (any, error) { c.AtExit(c.Context(), c.Func("f")); return nil, nil }},
	bounded,
}

func TestHost_Tasks(t *testing.T) {
	checkSnippets(t, []snippet{
		{"for _, v in ipairs(all{function() nap(0.02) return 1 end, function() return 2 end}) do print(v) end", "1\n2\n"},
		{"all{function() print('a') nap(0.02) print('c') end, function() print('b') end}", "a\nb\nc\n"},
		{"local t = {} local r = all{function() return t end} print(r[1] == t)", "true\n"},
		{"local n = 0 begin(function(...) n = select('#', ...) end, nil, {}, nil) nap() print(n)", "3\n"},
		{"local f = {} for i = 1, 2000 do f[i] = function() nap() local ok, e = pcall(error, i) nap() return e end end local n = 0 for _, v in ipairs(all(f)) do n = n + v end print(n)", "2001000\n"},
		{"local n, f = 0, {} for i = 1, 1000 do f[i] = function() n = n + 1 nap() n = n + 1 end end all(f) print(n)", "2000\n"},
		{"print(unpack(all{function() local s = 0 for _, v in ipairs(all{function() nap() return 1 end, function() return 2 end}) do s = s + v end return s end}))", "3\n"},
		{"local mt = {__index = function(_, k) nap() return k .. '!' end, __call = function(_, x) nap() return x end, __lt = function() nap() return true end}\n" +
			"local o = setmetatable({}, mt) print(unpack(all{function() return o.x end, function() return o(5) end, function() return o < setmetatable({}, mt) end}))", "x!\t5\ttrue\n"},
		{"local function up(n) return coroutine.wrap(function() for i = 1, n do nap() coroutine.yield(i) end end) end\n" +
			"local function sum(n) return function() local s = 0 for i in up(n) do s = s + i end return s end end print(unpack(all{sum(3), sum(4)}))", "6\t10\n"},
		{"local t = {3, 1, 2} all{function() table.sort(t, function(a, b) nap() return a < b end) end} print(unpack(t))", "1\t2\t3\n"},
		{"print(unpack(all{function() return (string.gsub('ab', '.', function(c) nap() return c .. c end)) end}))", "aabb\n"},
		{"local function deep() return all{deep}[1] end print((deep()))", "test.lua:1: all: tasks spawn each other deeper than 100\n"},
	}, tasking...)
}

func TestHost_TasksFail(t *testing.T) {
	checkSnippets(t, []snippet{
		{"local r = all{function() nap() error('one') end, function() return 'two' end} print(r[1], r[2])", "test.lua:1: one\ttwo\n"},
		{"print(all{function() local x = nil; x.y = 1 end}[1])", "test.lua:1: attempt to index local 'x' (a nil value)\n"},
		{"print(all{function() nap('x') end}[1].code)", "usage\n"},
		{"all(\n{nap, error})", ""},
		{"print(all({\nerror, bounded})[2])", "test.lua:1: bounded: parameter f: required, but not given\n"},
	}, tasking...)
}

func TestHost_TooManyTasks(t *testing.T) {
	h, out := testHost(t, tasking...)
	h.scheduler.alive.Store(maxTasks - 1)
	got := output(t, h, out, "begin(nap, 60)\nprint(pcall(begin, nap))")
	if want := "false\ttest.lua:2: begin: more than 50000 tasks are alive\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := h.scheduler.alive.Load(); n != maxTasks-1 {
		t.Errorf("%d tasks are counted after the run", n-maxTasks+1)
	}
}

func TestHost_TracebackOfATask(t *testing.T) {
	h, _ := testHost(t, tasking...)
	_, err := h.RunSource(context.Background(), "test.lua", []byte(`
local function inner() error("deep") end
local function spawner()
  local r = all{function()
    inner()
  end}
  assert(r[1].traceback == "", r[1].traceback)
end
spawner()`))
	var e *Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	for _, want := range []string{"test.lua:2: in function inner", "test.lua:5: in function", "in a task begun at:", "test.lua:4: in function spawner", "test.lua:9: in the main chunk"} {
		if !strings.Contains(e.Message, want) {
			t.Errorf("no %q in the traceback:\n%s", want, e.Message)
		}
	}
}

func TestHost_LeavingAScopeEndsItsTasks(t *testing.T) {
	checkSnippets(t, []snippet{
		{"begin(function() print('begun') nap(60) print('never') end) nap() print('end')", "begun\nend\n"},
		{"bounded(function() begin(function() pcall(nap, 60) print('never') end) return 1 end, {sec = 60}) print('after')", "after\n"},
		{"begin(function() begin(function() nap(60) end) nap(60) end) nap() print('end')", "end\n"},
		{"local n = 0 pcall(function() begin(function() nap(60) n = 1 end) error('x') end) print(n) ", "0\n"},
		{"local n = 0 pcall(function() begin(function() nap() n = 1 end) end) while n == 0 do nap() end print(n)", "1\n"},
		{"begin(function() while true do nap(0) end end)", ""},
		{"begin(function() while true do pcall(function() while true do pcall(nap, 60) end end) end end)", ""},
		{"begin(nap, 60) error('x')", "error: test.lua:1: x"},
		{"all{function() begin(nap, 60) end} print('joined')", "joined\n"},
		{"print(pcall(bounded, function() all{function() while true do end end, function() nap(60) end} end))", "false\ttest.lua:1: the time given has passed\n"},
	}, tasking...)
}

func TestHost_RunStopsItsTasks(t *testing.T) {
	for _, script := range []string{
		"all{function() while true do pcall(function() while true do end end) end end, function() nap(60) end, function() while true do pcall(nap, 60) end end}",
		"local f = {} for i = 1, 500 do f[i] = function() all{function() nap(60) end, nap} nap(60) end end all(f)",
	} {
		h, out := testHost(t, tasking...)
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		_, err := h.RunSource(ctx, "test.lua", []byte(script))
		cancel()
		if e := asError(err); err == nil || e.Code != codeTimeout && e.Code != CodeCancelled {
			t.Errorf("%s: ended with %v", script, err)
		}
		if n := h.scheduler.alive.Load(); n != 0 {
			t.Errorf("%s: %d tasks are alive after the run", script, n)
		}
		if got := output(t, h, out, "return 1"); got != "" {
			t.Errorf("the next run: %q", got)
		}
	}
}

func TestHost_ExitInATaskEndsTheRun(t *testing.T) {
	for _, script := range []string{
		"all{function() nap() exit(3) end, function() nap(60) end} print('no')",
		"begin(function() nap() pcall(exit, 3) end) while true do pcall(nap, 60) end",
		"begin(function() nap() exit(3) end) bounded(function() nap(60) end, {sec = 60})",
	} {
		h, out := testHost(t, append(tasking, failing...)...)
		_, err := h.RunSource(context.Background(), "test.lua", []byte(script))
		var exit *Exit
		if !errors.As(err, &exit) || exit.Status != 3 || out.Len() > 0 {
			t.Errorf("%s: ended with %v, printed %q", script, err, out)
		}
	}
}

func TestHost_CoroutinesOfTasks(t *testing.T) {
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

// ticking returns ticks, which iterates over 1, 2, 3, and tick, which another task calls so that ticks returns 1.
func ticking() []Builtin {
	called := make(chan struct{}, 1)
	return []Builtin{
		{Name: "ticks", Impl: func(*Call) (any, error) {
			i := 0
			return Iterator(func() ([]any, error) {
				switch i++; i {
				case 1:
					select {
					case <-called:
					case <-time.After(20 * time.Second):
						return nil, errors.New("no other task ran within 20 s")
					}
				case 4:
					return nil, nil
				}
				return []any{i}, nil
			}), nil
		}},
		{Name: "tick", Impl: func(*Call) (any, error) {
			called <- struct{}{}
			return nil, nil
		}},
	}
}

func TestHost_IteratorsLetOtherTasksRun(t *testing.T) {
	checkSnippets(t, []snippet{
		{"all{function() for i in ticks() do print(i) end end, function() print('beside') tick() end}", "beside\n1\n2\n3\n"},
		{"local next = ticks() local function again() local _, e = pcall(function() return (next()) end) tick() error(e, 0) end " +
			"local r = all{next, again} print(r[1], r[2])",
			"1\ttest.lua:1: iterator: another task is waiting for its next values: let each task have its own\n"},
	}, append(tasking, ticking()...)...)
}

// TestHost_RandomNumbersFollowTheTask tests that the random numbers of tasks don't depend on their speed.
func TestHost_RandomNumbersFollowTheTask(t *testing.T) {
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

func TestHost_ModulesOfTasks(t *testing.T) {
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
