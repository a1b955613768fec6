package runtime

import (
	"context"
	"strings"
	"testing"
)

func TestScanBoundsNesting(t *testing.T) {
	deep := func(open, inside, shut string, n int) string {
		return strings.Repeat(open, n) + inside + strings.Repeat(shut, n)
	}
	const tooDeep = "blocks and brackets are nested deeper than 200"
	for _, c := range []struct{ src, want string }{
		{"return " + deep("{", "", "}", 199), ""},
		{"return " + deep("{", "", "}", 201), tooDeep},
		{"return " + deep("(", "1", ")", 201), tooDeep},
		{"return x" + deep("[ ", "1", "]", 201), tooDeep},
		{deep("do ", "", "end ", 199), ""},
		{deep("do ", "", "end ", 201), tooDeep},
		{deep("if x then ", "", "end ", 201), tooDeep},
		{deep("while x do ", "", "end ", 201), tooDeep},
		{deep("repeat ", "", "until x ", 201), tooDeep},
		{deep("f(function() ", "", "end) ", 120), tooDeep},
		{strings.Repeat("if x then y() elseif z then w() else v() end ", 1000), ""},
		{strings.Repeat("for i = 1, 2 do f(i) end ", 1000), ""},
		{strings.Repeat("f{1}\n", 10000), ""},
		{strings.Repeat("x.y = z\n", 10000), ""},
		{"t = {" + strings.Repeat("1, ", 20000) + "}", ""},
		{`s = "{{{{" .. '((((' .. [[ do do ]] .. [==[ [[ ]==] -- {{{{ do` + "\n--[[ " + strings.Repeat("{", 500) + " ]] x = 1", ""},
		{"return " + strings.Repeat("-", 1) + strings.Repeat("not ", 6000) + "x", "an expression has more than 5000 parts: split it"},
		{"return x" + strings.Repeat(".x", 3000), "an expression has more than 5000 parts: split it"},
		{"return x" + strings.Repeat("()", 6000), "an expression has more than 5000 parts: split it"},
		{"return 1" + strings.Repeat("+1", 2400), ""},
		{`x = "never shut`, ""},
		{"x = 'broken\n'", "a quoted string doesn't end on its line"},
		{`x = "gone on \` + "\n" + `with"`, ""},
		{"x = [[ never shut", ""},
		{"))) end until", ""},
	} {
		if _, got := scan([]byte(c.src)); got != c.want {
			t.Errorf("%.40q: got %q, want %q", c.src, got, c.want)
		}
	}
	if line, _ := scan([]byte("\n--[[\n\n]]\nx = [[\n]]\n" + strings.Repeat("{", 201))); line != 7 {
		t.Errorf("the problem is on line %d, want 7", line)
	}
}

// What the scan lets through must not bring the compiler down.
func TestLargestSourcesCompile(t *testing.T) {
	for _, src := range []string{
		"return " + strings.Repeat("#", 4990) + "x",
		"return " + strings.Repeat("not ", 4990) + "x",
		"return x" + strings.Repeat("+x", 2490),
		"return x" + strings.Repeat("^x", 2490),
		"return x" + strings.Repeat("..x", 2490),
		"return x" + strings.Repeat(".x", 2490),
		"return x" + strings.Repeat("()", 2490),
		"return " + strings.Repeat("{", 199) + strings.Repeat("}", 199),
		strings.Repeat("do ", 199) + strings.Repeat("end ", 199),
	} {
		h, _ := testHost(t)
		_, err := h.compile("big.lua", []byte(src))
		if err != nil && err.(*Error).Code != CodeSource {
			t.Errorf("%.40q: %v", src, err)
		}
	}
}

func TestSources(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"#!/usr/bin/env dkvrun\nprint('shebang')\nfail()", "error: test.lua:3: undefined global fail"},
		{"#!/usr/bin/env dkvrun", ""},
		{"\xef\xbb\xbfprint('bom')", "bom\n"},
		{"\xef\xbb\xbf#!x\nprint('both')", "both\n"},
		{"", ""},
		{strings.Repeat(" ", MaxSource+1), "error: test.lua:1: the source is larger than 1 MiB"},
		{"\x1bLua", "error: test.lua:1: compiled Lua can't be loaded: only text"},
		{"return " + strings.Repeat("{", 300), "error: test.lua:1: blocks and brackets are nested deeper than 200"},
	} {
		h, out := testHost(t)
		if got := output(t, h, out, c.src); got != c.want {
			t.Errorf("%.40q: got %q, want %q", c.src, got, c.want)
		}
	}
}

func TestRunFileAndEval(t *testing.T) {
	h, out := testHost(t)
	if _, err := h.RunFile(context.Background(), "/nowhere/x.lua"); err == nil ||
		err.Error() != "/nowhere/x.lua: can't be read: no such file or directory" || err.(*Error).Code != CodeSource {
		t.Errorf("a file that isn't there: %v", err)
	}
	if _, err := h.RunFile(context.Background(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "can't be read") {
		t.Errorf("a folder: %v", err)
	}
	for _, c := range []struct {
		text, want string
	}{
		{"1 + 1", "2"}, {"'a', nil, {1}", "a nil {1}"}, {"x = 5 return x", "5"}, {"print('hi')", ""}, {"", ""},
		{"function() end", "<function>"}, {"coroutine.create(print)", "<thread>"}, {"-- a comment", ""},
		{"1 +", "error: -e:1: the source ends too early: an end, a bracket or a quote is missing"},
		{"x = = 1", "error: -e:1: syntax error near '='"},
		{"f(", "error: -e:1: the source ends too early: an end, a bracket or a quote is missing"},
		{"1 + nope", "error: -e:1: undefined global nope"},
	} {
		out.Reset()
		values, err := h.Eval(context.Background(), c.text)
		parts := make([]string, len(values))
		for i, v := range values {
			parts[i] = Format(v)
		}
		got := strings.Join(parts, " ")
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.text, got, c.want)
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add("local t = {[1] = \"a\\\"b\", 'c'} --[==[ x ]==] if x then do end end return f(1)..2")
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > 1<<16 {
			return
		}
		h := New(Options{})
		defer h.Close()
		h.compile("fuzz", []byte(src)) // must end, without a crash
	})
}
