package syntax_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dkvrun/runtime"
	"dkvrun/runtime/syntax"
)

func TestErrors(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"local = 5", "1:7-8 unexpected '=': want a name"},
		{"x", "1:1-2 this alone is no statement: want a call or an assignment"},
		{"if x then\n  f()\n", "3:1-1 unexpected the end of the source: want 'end', to close the 'if' of line 1"},
		{"f(\n  {1, 2\n)", "3:1-2 unexpected ')': want '}', to close the '{' of line 2"},
		{"for i = 1 do end", "1:5-10 a for counts from, to, and perhaps by a step: got 1 values"},
		{"x = 'abc\nd'", "1:5-9 a quoted string doesn't end on its line"},
		{"x = [==[ a ]=]", "1:5-9 nothing ends this: ]==] is missing"},
		{"--[[ a", "1:3-5 nothing ends this: ]] is missing"},
		{"if a != b then end", "1:6-8 '!=' is no operator: Lua writes ~="},
		{"x = 3x", "1:5-7 3x is not a number"},
		{"x = 0xg", "1:5-8 0xg is not a number"},
		{"x = 1e+", "1:5-8 1e+ is not a number"},
		{"ä()", "1:1-2 'ä' does not belong into a script"},
		{"f() = 1", "1:1-4 nothing can be assigned to this"},
		{"end", "1:1-4 unexpected 'end': want a statement"},
		{"function f(a,) end", "1:14-15 unexpected ')': want a name"},
		{"a.b:c = 1", "1:7-8 unexpected '=': want the arguments of a call"},
		{"return 1; f()", "1:11-12 unexpected 'f': want a statement"},
		{"x = \"ä\\é\" y", "1:11-12 this alone is no statement: want a call or an assignment"},
		{"x = " + strings.Repeat("(", 20000), "1:10004-10005 blocks and brackets are nested too deep"},
	} {
		_, err := syntax.Parse([]byte(c.src))
		e, ok := err.(*syntax.Error)
		if !ok {
			t.Errorf("%.60s\n got no error\nwant %s", c.src, c.want)
			continue
		}
		if got := fmt.Sprintf("%d:%d-%d %s", e.Start.Line, e.Start.Column, e.End.Column, e.Message); got != c.want {
			t.Errorf("%.60s\n got %s\nwant %s", c.src, got, c.want)
		}
	}
}

// TestPlaces holds the spans of names and strings against where they stand in a source.
func TestPlaces(t *testing.T) {
	src := "\ufeff#!/usr/bin/env dkvrun\r\n" + `local one, two = 'ä', ({three = [[
four]],
	[five] = six.seven[8]}):nine()
::ten:: --[[ eleven
]] goto ten
function a.b:c(d, ...) return -e^2 .. f end`
	chunk, err := syntax.Parse([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	note := func(text string, s syntax.Span) {
		got = append(got, fmt.Sprintf("%s %d:%d-%d:%d", text, s.Start.Line, s.Start.Column, s.End.Line, s.End.Column))
	}
	syntax.WalkBlock(&chunk.Block, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Name:
			note(n.Text, n.Span)
		case *syntax.String:
			note(fmt.Sprintf("%q", n.Value), n.Span)
		case *syntax.Binary:
			note(n.Operator, n.Span)
		case *syntax.Unary:
			note(n.Operator, n.Span)
		case *syntax.Function:
			note("function", n.Span)
		case *syntax.Call:
			note(":"+n.Method.Value, n.Method.Span)
		}
		return true
	})
	for _, c := range chunk.Comments {
		note(fmt.Sprint(c.Alone)+c.Text, c.Span)
	}
	want := []string{
		"one 2:7-2:10", "two 2:12-2:15", `"ä" 2:18-2:21`, ":nine 4:26-4:30",
		`"three" 2:25-2:30`, `"four" 2:33-3:7`, "five 4:3-4:7", "six 4:11-4:14", `"seven" 4:15-4:20`,
		"a 7:10-7:11", `"b" 7:12-7:13`, `"c" 7:14-7:15`, "function 7:1-7:44", "d 7:16-7:17",
		".. 7:31-7:40", "- 7:31-7:35", "^ 7:32-7:35", "e 7:32-7:33", "f 7:39-7:40",
		"false eleven\n 5:9-6:3",
	}
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("got\n%s\nwant\n%s", a, b)
	}
}

// agree holds Parse against the runtime's own compiler: what one takes, the other takes.
func agree(t *testing.T, h *runtime.Host, src []byte) {
	t.Helper()
	_, err := syntax.Parse(src)
	refused := h.Compiles("test.lua", src)
	switch {
	case err != nil && refused == nil && !strings.HasSuffix(err.Error(), "is not a number"):
		t.Errorf("%q\nParse: %v, but it compiles", src, err)
	case err == nil && refused != nil && strings.Contains(refused.Error(), "syntax error near"):
		t.Errorf("%q\nParse takes it, the compiler does not: %v", src, refused)
	}
}

func TestAgreesWithTheCompiler(t *testing.T) {
	h := runtime.New(runtime.Options{})
	defer h.Close()
	files, err := filepath.Glob("../../s*/*.lua") // scripts and stdlib
	if err != nil || len(files) < 5 {
		t.Fatalf("found %d scripts: %v", len(files), err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		agree(t, h, src)
		// Each prefix of whole lines, and each script without one of its lines.
		lines := strings.SplitAfter(string(src), "\n")
		for i := range lines {
			agree(t, h, []byte(strings.Join(lines[:i], "")))
			agree(t, h, []byte(strings.Join(lines[:i], "")+strings.Join(lines[i+1:], "")))
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "return", "f()\n(g)()", "a.b['c'].d = 3..2", "x = 0x1F + .5e3", "local function f(...) return ... end",
		"goto a ::a::", "x = [[a]] .. [=[b]=] --[[c]]", "for k, v in pairs{} do break end", "repeat local x until x;",
		"if a then elseif b then else end", "a = not -#b ^ 2", "f'x'{}:y[[z]]", "x = '\\065\\\n\\z'", "\ufeff#!x\n;;a=1",
	} {
		f.Add([]byte(seed))
	}
	h := runtime.New(runtime.Options{})
	defer h.Close()
	f.Fuzz(func(t *testing.T, src []byte) { agree(t, h, src) })
}
