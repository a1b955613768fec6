package runtime

import (
	"context"
	"strings"
	"testing"
)

// Errors about a goto or a label have the line of the goto or label.
func TestCompiles_LinesOfLabels(t *testing.T) {
	h := New(Options{})
	defer h.Close()
	for source, want := range map[string]string{
		"goto nowhere": "a.lua:1: no visible label 'nowhere' for goto",
		"local function f()\n\ngoto nowhere\nend\nf()": "a.lua:3: no visible label 'nowhere' for goto",
		"\n::a::\nprint()\n::a::\nprint()":             "a.lua:4: label 'a' already defined on line 2",
		"do\ngoto a end\nlocal y = 1\n::a::\nprint(y)": "a.lua:2: goto a jumps into the scope of local 'y'",
	} {
		if err := h.Compiles("a.lua", []byte(source)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", source, err, want)
		}
	}
}

// The compiler doesn't crash on the largest sources within the limits.
func TestCompile_LargestSources(t *testing.T) {
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
		_, err := h.compiler.compile("big.lua", []byte(src))
		if err != nil && err.(*Error).Code != CodeSource {
			t.Errorf("%.40q: %v", src, err)
		}
	}
}

func TestCompile_Headers(t *testing.T) {
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

func TestRunFile_Unreadable(t *testing.T) {
	h, _ := testHost(t)
	if _, err := h.RunFile(context.Background(), "/nowhere/x.lua"); err == nil ||
		err.Error() != "/nowhere/x.lua: can't be read: no such file or directory" || err.(*Error).Code != CodeSource {
		t.Errorf("a file that isn't there: %v", err)
	}
	if _, err := h.RunFile(context.Background(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "can't be read") {
		t.Errorf("a folder: %v", err)
	}
}

func TestEval_ExpressionOrChunk(t *testing.T) {
	h, out := testHost(t)
	for _, c := range []struct {
		text, want string
	}{
		{"1 + 1", "2"}, {"'a', nil, {1}", "a nil {1}"}, {"x = 5 return x", "5"}, {"print('hi')", ""}, {"", ""},
		{"function() end", "<function>"}, {"coroutine.create(print)", "<thread>"}, {"-- a comment", ""},
		{"1 +", "error: -e:1: unexpected end of the source: expected an expression"},
		{"x = = 1", "error: -e:1: unexpected '=': expected an expression"},
		{"f(", "error: -e:1: unexpected end of the source: expected an expression"},
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

func FuzzHost_Compile(f *testing.F) {
	f.Add("local t = {[1] = \"a\\\"b\", 'c'} --[==[ x ]==] if x then do end end return f(1)..2")
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > 1<<16 {
			return
		}
		h := New(Options{})
		defer h.Close()
		h.compiler.compile("fuzz", []byte(src)) // must return without a crash
	})
}
