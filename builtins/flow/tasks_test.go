package flow

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
)

// mute is a Reporter that shows nothing.
type mute struct{}

func (mute) Begin(*report.Action)           {}
func (mute) Row(*report.Action, report.Row) {}
func (mute) End(*report.Action)             {}
func (mute) Step(report.Step)               {}
func (mute) Notice(string)                  {}
func (mute) Progress(string)                {}
func (mute) Width() int                     { return 0 }
func (mute) Redraw(string)                  {}

// actionParams are the parameters of every action.
var actionParams = []runtime.Param{{Name: "timeout_sec", Type: runtime.Number, Default: 1.0}}

// failing is an action that fails without sending a request.
var failing = runtime.Builtin{Name: "failing_action", Params: actionParams, Impl: func(c *runtime.Call) (any, error) {
	a, err := run.Of(c).Begin(c, "managers")
	if err != nil {
		return nil, err
	}
	a.Add(report.Row{Manager: "10.0.0.11:7801", Result: report.Failed, Message: "no"})
	return a.End()
}}

// hanging is an action whose request is sent and never answered.
var hanging = runtime.Builtin{Name: "hanging_action", Params: actionParams, Impl: func(c *runtime.Call) (any, error) {
	a, err := run.Of(c).Begin(c, "managers")
	if err != nil {
		return nil, err
	}
	<-c.Context().Done()
	a.Add(report.Row{Manager: "10.0.0.11:7801", Result: report.Cancelled, InDoubt: true})
	return a.End()
}}

// checklists records the checklist of the script.
var checklists = runtime.Builtin{Name: "checklist", Impl: func(c *runtime.Call) (any, error) {
	scriptChecklist = run.Of(c).Scope(c).Checklist
	return nil, nil
}}

var scriptChecklist *run.Checklist

// tasks are the builtins that the scripts of these tests call.
var tasks = []runtime.Builtin{AtExit, Deadline, Parallel, Retry, Sleep, Spawn, Step, WaitUntil}

// runTasks runs a script. It returns the run, the output, and the error of the script or of an unchecked failure.
func runTasks(t *testing.T, script string) (*run.Run, string, error) {
	t.Helper()
	var out bytes.Buffer
	r := run.New(run.Config{Reporter: mute{}, Stdout: &out})
	h := runtime.New(runtime.Options{
		Builtins: append(tasks, failing, hanging, checklists), Stdout: &out, App: r, Grace: time.Second,
	})
	defer h.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := h.RunSource(ctx, "test.lua", []byte(script))
	if err == nil {
		err = r.UncheckedFailure()
	}
	return r, out.String(), err
}

func TestTasks_Scripts(t *testing.T) {
	for _, test := range []struct{ script, want, problem string }{
		{"local t = {} print(spawn(function(a, b) return a == t, b end, t, nil):wait())", "true\tnil\n", ""},
		{"local go local task = spawn(wait_until, {interval_sec = 0.001, f = function() return go end}) print(task.ended) go = true task:wait() print(task.ended)", "false\ntrue\n", ""},
		{"local task task = spawn(function() while not task do sleep(0) end task:wait() end) task:wait()", "", "test.lua:1: task:wait: a task can't wait for itself"},
		{"print(parallel{function() error({code = 7}) end}[1].error.code)", "7\n", ""},
		{"print(parallel({}).ok, #parallel({}, {limit = 3}))", "true\t0\n", ""},
		{"parallel{1}", "", "test.lua:1: parallel: parameter functions: item 1: want a function"},
		{"parallel{sleep, limit = 2}", "", "test.lua:1: parallel: parameter functions: want a list of functions: parallel({f, g}, {limit = 2})"},
		{"local f, most, now = {}, 0, 0 for i = 1, 50 do f[i] = function() now = now + 1 most = math.max(most, now) sleep(0.002) now = now - 1 end end parallel(f, {limit = 4}):check() print(most)", "4\n", ""},
		{"local f = {} for i = 1, 3000 do f[i] = function() sleep(0.001) return select(2, pcall(error, i)) end end local n = 0 for _, o in ipairs(parallel(f)) do n = n + o.value end print(n)", "4501500\n", ""},
		{"print(retry{f = function(n) return n, 'more' end})", "1\tmore\n", ""},
		{"local n = 0 pcall(retry, {times = 4, delay_sec = 0, f = function() n = n + 1 return failing_action() end}) print(n)", "4\n", ""},
		{"retry{times = 2, delay_sec = 0, f = function() return failing_action() end}", "", "test.lua:1: retry: 2 of 2 attempts failed, the last: failing_action failed on 1 of 1 managers: 10.0.0.11:7801: no"},
		{"wait_until{timeout_sec = 0.05, interval_sec = 0.01, f = function() error('at once') end}", "", "test.lua:1: at once"},
		{"wait_until{timeout_sec = 0.05, interval_sec = 60, f = function() sleep(60) end}", "", "test.lua:1: wait_until: not true after 50ms: the last value was nothing yet"},
		{"deadline(0.02, function()\n sleep(60)\n end)", "", "test.lua:1: deadline: not done after 20ms: it was at test.lua:2"},
		{"print(pcall(deadline, 60, function() deadline(0.01, sleep, 60) end))", "false\ttest.lua:1: deadline: got 3 arguments, takes 2 by position (sec, f)\n", ""},
	} {
		_, out, err := runTasks(t, test.script)
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		if out != test.want || problem != test.problem {
			t.Errorf("%s\nprinted %q, want %q\nended with %q, want %q", test.script, out, test.want, problem, test.problem)
		}
	}
}

// Waits that can never end raise in each of the tasks, with the lines of all.
func TestTasks_WaitsForEachOther(t *testing.T) {
	const never = "task:wait: can never end: tasks wait for each other here"
	for name, test := range map[string]struct{ script, want, problem string }{
		"two": {`local a, b, said = nil, nil, {}
a = spawn(function() wait_until{interval_sec = 0.001, f = function() return b end}
  said[1] = select(2, pcall(function() b:wait() end)) end)
b = spawn(function()
  said[2] = select(2, pcall(function() a:wait() end)) end)
a:wait() b:wait() print(said[1]) print(said[2])`,
			"test.lua:3: " + never + " and at test.lua:5\ntest.lua:5: " + never + " and at test.lua:3\n", ""},
		"three": {`local t, said = {}, {}
local function waits(i) wait_until{interval_sec = 0.001, f = function() return t[3] end}
  said[i] = select(2, pcall(function() t[i % 3 + 1]:wait() end)) end
for i = 1, 3 do t[i] = spawn(waits, i) end
for i = 1, 3 do t[i]:wait() end print(#said, said[2])`,
			"3\ttest.lua:3: " + never + ", at test.lua:3 and at test.lua:3\n", ""},
		"raised": {`local a, b
a = spawn(function() wait_until{interval_sec = 0.001, f = function() return b end} b:wait() end)
b = spawn(function() a:wait() end)
b:wait()`, "", "test.lua:3: " + never + " and at test.lua:2"},
		"parallel": {`local task task = spawn(function()
  print(select(2, pcall(parallel, {function() wait_until{interval_sec = 0.001, f = function() return task end}
    task:wait() end}))) end)
task:wait()`,
			"test.lua:2: parallel: can never end: tasks wait for each other here and at test.lua:3\n", ""},
		"parallel with a limit": {`local task task = spawn(function()
  local function f() wait_until{interval_sec = 0.001, f = function() return task end}
    task:wait() end
  print(select(2, pcall(parallel, {f, f}, {limit = 1}))) end)
task:wait()`,
			"test.lua:4: parallel: can never end: tasks wait for each other here and at test.lua:3\n", ""},
		"a wait with a time limit can end": {`local a, b
a = spawn(function() wait_until{interval_sec = 0.001, f = function() return b end} print((pcall(deadline, 0.02, function() b:wait() end))) end)
b = spawn(function() a:wait() print("b") end)
b:wait()`, "false\nb\n", ""},
		"a task that has ended": {`local a = spawn(function() end) a:wait()
local b = spawn(function() a:wait() a:wait() print("b") end) b:wait()`, "b\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, out, err := runTasks(t, test.script)
			problem := ""
			if err != nil {
				problem = err.Error()
			}
			if out != test.want || problem != test.problem {
				t.Errorf("printed %q, want %q\nended with %q, want %q", out, test.want, problem, test.problem)
			}
		})
	}
}

func TestTasks_UncheckedFailures(t *testing.T) {
	const unchecked = "failing_action failed on 1 of 1 managers and its result was never checked"
	for _, test := range []struct{ script, want, problem string }{
		{"spawn(failing_action):wait()", "", unchecked},
		{"spawn(failing_action) sleep(0.01)", "", unchecked},
		{"parallel{failing_action}", "", unchecked},
		{"print(parallel({function() return failing_action().ok end})[1].value)", "false\n", ""},
		{"print(parallel({failing_action})[1].value.ok)", "false\n", ""},
		{"at_exit(failing_action)", "", unchecked},
		{"at_exit(function() print(failing_action().ok) end) failing_action()", "false\n", unchecked},
		{"print(parallel({function() failing_action() failing_action() end})[1].error.code)", "overlooked\n", unchecked},
		{"local t = spawn(failing_action) sleep(0.01) print(failing_action().ok) t:wait() failing_action()", "false\n", unchecked + ": not running failing_action"},
		{"parallel{function() failing_action() sleep(0.02) end, function() sleep(0.01) print(failing_action().ok) end}", "false\n", unchecked},
		{"step('s', function() spawn(error, 'x') sleep(0.01) end) print('on') failing_action()", "on\n", "a task failed (test.lua:1: x) and its result was never checked: not running failing_action"},
		{"step('s', function() spawn(sleep, 60) end) print(failing_action().ok)", "false\n", ""},
		{"spawn(hanging_action)", "", "test.lua:1: hanging_action was cut off with its task and its result was never checked"},
		{"spawn(function() pcall(deadline, 0.01, function() hanging_action() end) end) sleep(0.05)", "", ""},
		{"pcall(deadline, 0.01, function() hanging_action() end) print(failing_action().ok)", "false\n", ""},
		{"pcall(deadline, 0.01, function() parallel{failing_action, hanging_action} end)", "", unchecked},
		{"print(assert(parallel{sleep, sleep}))", "", "parallel: 2 of 2 functions failed, the first: sleep: parameter sec: required, but not given"},
		{"local o = parallel({error, error}) print(o[1].ok)", "false\n", "parallel: 2 of 2 functions failed"},
		{"for _, o in ipairs(parallel({function() error('x', 0) end, function() end})) do print(o.error) end", "test.lua:1: x\nnil\n", ""},
	} {
		_, out, err := runTasks(t, test.script)
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		if out != test.want || !strings.Contains(problem, test.problem) || test.problem == "" && problem != "" {
			t.Errorf("%s\nprinted %q, want %q\nended with %q, want %q", test.script, out, test.want, problem, test.problem)
		}
	}
}

func TestChecklist_DropsResultsOfTasks(t *testing.T) {
	_, _, err := runTasks(t, "checklist() for i = 1, 3000 do spawn(function() end):wait() parallel{function() end} end")
	if err != nil {
		t.Fatal(err)
	}
	if !scriptChecklist.Empty() {
		t.Error("results are left to check, none of which has failed")
	}
}

func TestStep_Nested(t *testing.T) {
	_, _, err := runTasks(t, `step("a", function() parallel{function() step("b", sleep, 1) end}:check() end)`)
	if err == nil {
		t.Fatal("misuse of step was not reported")
	}
	r, out, err := runTasks(t, `print(step("a", function() pcall(step, "b", function() sleep(0.01) error("x") end) return 1, nil, 3 end)) step("c", function() end)`)
	if err != nil || out != "1\tnil\t3\n" {
		t.Fatalf("%v, printed %q", err, out)
	}
	steps := r.Steps()
	if len(steps) != 3 {
		t.Fatalf("steps: %+v", steps)
	}
	for i, want := range []report.Step{
		{Name: "a", Result: report.StepDone}, {Name: "b", Depth: 1, Result: report.StepFailed}, {Name: "c", Result: report.StepDone},
	} {
		got := steps[i]
		if got.Name != want.Name || got.Depth != want.Depth || got.Result != want.Result ||
			i < 2 && got.Seconds < 0.01 {
			t.Errorf("step %d: %+v", i, got)
		}
	}
	r, _, _ = runTasks(t, `pcall(deadline, 0.01, function() step("late", function() sleep(60) end) end)`)
	steps = r.Steps()
	if len(steps) != 1 || steps[0].Result != report.StepTimedOut {
		t.Errorf("steps: %+v", steps)
	}
}
