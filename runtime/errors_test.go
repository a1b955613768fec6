package runtime

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

var failing = []Builtin{
	{Name: "refuse", Impl: func(c *Call) (any, error) {
		e := c.Errorf("refused", "10.0.0.11:7801: connection refused")
		e.Hint = "start the manager"
		return nil, e
	}},
	{Name: "fail", Impl: func(*Call) (any, error) { return nil, errors.New("disk full") }},
	{Name: "crash", Impl: func(*Call) (any, error) { panic("boom") }},
	{Name: "exit", Params: []Param{{Name: "status", Type: Integer, Default: 0}}, Positional: 1,
		Impl: func(c *Call) (any, error) { return nil, &Exit{Status: c.Int("status")} }},
	{Name: "wait", Impl: func(c *Call) (any, error) { <-c.Context().Done(); return nil, c.Context().Err() }},
	{Name: "odd", Impl: func(*Call) (any, error) { return make(chan int), nil }},
	{Name: "try", Params: []Param{{Name: "f", Type: Function, Required: true}}, Positional: 1,
		Impl: func(c *Call) (any, error) {
			values, err := c.Func("f").Call(c.Context(), c, "x", 1)
			if err != nil {
				return nil, err
			}
			items := make([]any, len(values))
			for i, v := range values {
				items[i] = v
			}
			return List{Items: items}, nil
		}},
}

func TestHost_Errors(t *testing.T) {
	checkSnippets(t, []snippet{
		{"\nrefuse()", "error: test.lua:2: 10.0.0.11:7801: connection refused"},
		{"fail()", "error: test.lua:1: fail: disk full"},
		{"local function f()\n fail()\nend\nf()", "error: test.lua:2: fail: disk full"},
		{"local function f()\n return fail()\nend\nf()", "error: test.lua:2: fail: disk full"},
		{"local ok, e = pcall(refuse) print(ok, e)", "false\ttest.lua:1: 10.0.0.11:7801: connection refused\n"},
		{`local _, e = pcall(refuse) print(e.message, e.hint, e.code, e.file, e.line)`,
			"10.0.0.11:7801: connection refused\tstart the manager\trefused\ttest.lua\t1\n"},
		{`local _, e = pcall(refuse) print(e:find("refused"), e:match("(%d+): conn"), #(e .. "!"), ("<"..e..">"):sub(1, 5))`,
			"40\t7801\t47\t<test\n"},
		{`local _, e = pcall(refuse) print(string.find(e, "conn", 1, true), type(e), e:upper())`,
			"29\tuserdata\tTEST.LUA:1: 10.0.0.11:7801: CONNECTION REFUSED\n"},
		{`local _, e = pcall(refuse) print(e.mesage)`, "error: test.lua:1: error: no field mesage: did you mean message?"},
		{"local _, e = pcall(refuse)\nerror(e)", "error: test.lua:1: 10.0.0.11:7801: connection refused"},
		{"crash()", "error: test.lua:1: crash: bug in dkvrun: boom"},
		{"odd()", "error: test.lua:1: odd: bug in dkvrun: its result: a chan int has no form in Lua"},
		{"\nerror('plain')", "error: test.lua:2: plain"},
		{"error('10.0.0.1:7801: no place', 0)", "error: 10.0.0.1:7801: no place"},
		{"local function f() error('up', 2) end\n\nf()", "error: test.lua:3: up"},
		{"error{message = 'in a table', code = 7}", "error: in a table"},
		{"error{7, 8}", "error: {7, 8}"},
		{"error(setmetatable({}, {__tostring = function() return 'shown' end}))", "error: shown"},
		{"error()", "error: nil"},
		{"local x = nil\nx.y = 1", "error: test.lua:2: attempt to index local 'x' (a nil value)"},
		{"local x = nil\nreturn #x", "error: test.lua:2: attempt to get length of local 'x' (a nil value)"},
		{"print(pcall(function() return #nil end))", "false\ttest.lua:1: attempt to get length of a nil value\n"},
		{"print(coroutine.resume(coroutine.create(function() local x return x.y end)))", "false\ttest.lua:1: attempt to index local 'x' (a nil value)\n"},
		{"return -{}", "error: test.lua:1: attempt to perform arithmetic on a table value"},
		{"assert(false, 'why')", "error: test.lua:1: why"},
		{"assert(nil)", "error: test.lua:1: assertion failed!"},
		{"assert(pcall(error, 'x', 0))", "error: test.lua:1: x"},
		{"assert(pcall(refuse))", "error: test.lua:1: 10.0.0.11:7801: connection refused"},
		{"\nassert(pcall(function() error('once') end))", "error: test.lua:2: once"},
		{"print(assert(1, 2))", "1\t2\n"},
		{"local function f() return f() + 1 end f()", "error: test.lua:1: stack overflow: calls nest deeper than 20000"},
		{"print(xpcall(refuse, function(e) return 'handled ' .. e.code end))", "false\thandled refused\n"},
		{"local function f()\n fail() end\nprint(xpcall(f, debug.traceback))",
			"false\ttest.lua:2: fail: disk full\nstack traceback:\n\tin function fail\n\ttest.lua:2: in function <test.lua:1>\n\tin function xpcall\n\ttest.lua:3: in the main chunk\n"},
		{"x = = 1", "error: test.lua:1: unexpected '=': expected an expression"},
		{"print('a\n", "error: test.lua:1: a quoted string doesn't end on its line"},
		{"if x then\n\n", "error: test.lua:3: unexpected end of the source: expected 'end', to close the 'if' of line 1"},
		{"break", "error: test.lua:1: no loop to break"},
		{"local f = coroutine.wrap(function()\n refuse() end) f()", "error: test.lua:2: 10.0.0.11:7801: connection refused"},
		{"print(coroutine.resume(coroutine.create(function() fail() end)))", "false\ttest.lua:1: fail: disk full\n"},
		{"print(try(function(a, b) return a, b + 1, {k = a} end))", "{\"x\", 2, {k = \"x\"}}\n"},
		{"try(function()\n refuse() end)", "error: test.lua:2: 10.0.0.11:7801: connection refused"},
		{"try(function()\n error('inner') end)", "error: test.lua:2: inner"},
		{"print(pcall(try, function() error({}) end))", "false\t{}\n"},
		{"print(select('#', pcall(error)))", "2\n"},
	}, failing...)
}

func TestHost_ExitCannotBeCaught(t *testing.T) {
	for _, script := range []string{
		"exit(3)",
		"return pcall(exit, 3)",
		"pcall(exit, 3) print('still here')",
		"while true do pcall(function() exit(3) end) end",
		"xpcall(function() exit(3) end, function() while true do end end) print('still here')",
		"coroutine.resume(coroutine.create(function() exit(3) end)) print('still here')",
		"coroutine.wrap(function() exit(3) end)() print('still here')",
		"pcall(try, function() exit(3) end) print('still here')",
		"table.sort({1, 2, 3}, function(a, b) pcall(exit, 3) return a < b end) print('still here')",
	} {
		h, out := testHost(t, failing...)
		_, err := h.RunSource(context.Background(), "test.lua", []byte(script))
		var exit *Exit
		if !errors.As(err, &exit) || exit.Status != 3 || out.Len() > 0 {
			t.Errorf("%s: got %v, printed %q", script, err, out)
		}
		if got := output(t, h, out, "print('next')"); got != "next\n" {
			t.Errorf("%s: the next run printed %q", script, got)
		}
	}
}

func TestHost_Cancellation(t *testing.T) {
	for _, script := range []string{
		"while true do end",
		"while true do pcall(function() while true do end end) end",
		"local function f() return f() end f()",
		"wait()",
		"while true do pcall(wait) end",
		"coroutine.wrap(function() while true do end end)()",
		"local co = coroutine.create(function() while true do end end) coroutine.resume(co) while true do end",
		"try(function() while true do end end)",
		"pcall(string.find, ('x'):rep(30000), '.-.-.-b')",
		"('x'):rep(10000):gsub('x', function() while true do end end)",
	} {
		h, out := testHost(t, failing...)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		_, err := h.RunSource(ctx, "test.lua", []byte(script))
		cancel()
		var e *Error
		if !errors.As(err, &e) || e.Code != codeTimeout || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v", script, err)
		}
		if got := output(t, h, out, "print('clean-up')"); got != "clean-up\n" {
			t.Errorf("%s: after it a run printed %q", script, got)
		}
	}
	h, _ := testHost(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("interrupted"))
	_, err := h.RunSource(ctx, "test.lua", []byte("return 1"))
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeCancelled || e.Cause.Error() != "interrupted" {
		t.Errorf("a run in a context that was over: %v", err)
	}
}

// bounded calls a function in a context with a time limit.
var bounded = Builtin{Name: "bounded",
	Params: []Param{{Name: "f", Type: Function, Required: true}, {Name: "sec", Type: Number, Default: 0.01}}, Positional: 1,
	Impl: func(c *Call) (any, error) {
		ctx, cancel := context.WithTimeout(c.Context(), time.Duration(c.Float("sec")*float64(time.Second)))
		defer cancel()
		return c.Func("f").Call(ctx, c)
	}}

func TestHost_BoundedFunctions(t *testing.T) {
	h, out := testHost(t, append(failing, bounded)...)
	got := output(t, h, out, `local ok, e = pcall(bounded, function() while true do end end) print(ok, e.code) print("goes on")`)
	if got != "false\ttimeout\ngoes on\n" {
		t.Errorf("a bounded function: %q", got)
	}
	if got := output(t, h, out, `local t = {} print(bounded(function() return t, nil, 3 end) == t, select("#", bounded(function() return t, nil, 3 end)))`); got != "true\t3\n" {
		t.Errorf("what a bounded function returns: %q", got)
	}
	if _, err := h.RunSource(context.Background(), "test.lua", []byte(`pcall(bounded, function() exit(4) end, {sec = 60}) print("no")`)); err == nil || err.Error() != "exit 4" {
		t.Errorf("exit in a bounded function: %v", err)
	}
}

func TestHost_Tracebacks(t *testing.T) {
	h, _ := testHost(t, failing...)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := h.RunSource(ctx, "test.lua", []byte("local function f() return f() end f()"))
	if trace := err.(*Error).Traceback; strings.Count(trace, "\n") > 2 {
		t.Errorf("after endless tail calls: %q", trace)
	}
	_, err = h.RunSource(context.Background(), "test.lua", []byte("local function f(n) if n == 0 then fail() end f(n - 1) return 1 end f(100)"))
	if trace := err.(*Error).Traceback; strings.Count(trace, "\n") != maxTrace+1 || !strings.HasSuffix(trace, "\n\t…") {
		t.Errorf("a deep traceback: %s", trace)
	}
	for _, script := range []string{"local function inner() fail() end inner()", "local function inner() error('x') end inner()",
		"crash()", "local t = nil; t.x = 1"} {
		_, err := h.RunSource(context.Background(), "test.lua", []byte(script))
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Traceback, "test.lua:1") && e.Code != CodeBug {
			t.Errorf("%s: traceback %q", script, e.Traceback)
		}
		if e.Code == CodeBug && !strings.Contains(e.Traceback, "errors_test.go") {
			t.Errorf("%s: no Go stack in %q", script, e.Traceback)
		}
	}
}

// An error whose text can't be shown ends the run in the same way as any other error.
func TestHost_ErrorValuesThatCannotBeShown(t *testing.T) {
	checkSnippets(t, []snippet{
		{`error(setmetatable({}, {__tostring = function() error("inner") end}))`,
			"error: an error value that can't be shown: its __tostring fails: test.lua:1: inner"},
		{`error(setmetatable({}, {__tostring = function() error(setmetatable({}, {__tostring = error})) end}))`,
			"error: an error value that can't be shown: its __tostring fails: {}"},
		{`error(setmetatable({}, {__tostring = function() string.rep() end}))`,
			"error: an error value that can't be shown: its __tostring fails: test.lua:1: bad argument #1 to 'rep' (string expected, got no value)"},
		{`error(setmetatable({}, {__tostring = function() end}))`, "error: nil"},
		{`error(setmetatable({}, {__tostring = function() return "shown" end}))`, "error: shown"},
	})
}

// A script's folder may have any name. Only the runner's internal Lua code has no position in errors.
func TestHost_PositionsInFoldersWithBrackets(t *testing.T) {
	h, out := testHost(t)
	_, err := h.RunSource(context.Background(), "[a]/b.lua", []byte("print(pcall(error, 'x'))\nprint(pcall(function() error('y') end))\nerror('z')"))
	if want := "false\tx\nfalse\t[a]/b.lua:2: y\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	if err == nil || err.Error() != "[a]/b.lua:3: z" {
		t.Errorf("got %v", err)
	}
}
