package syntax_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"dkvrun/runtime/syntax"
)

func TestParse_Errors(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"local = 5", "1:7-8 unexpected '=': expected a name"},
		{"x", "1:1-2 not a statement: expected a call or an assignment"},
		{"if x then\n  f()\n", "3:1-1 unexpected end of the source: expected 'end', to close the 'if' of line 1"},
		{"f(\n  {1, 2\n)", "3:1-2 unexpected ')': expected '}', to close the '{' of line 2"},
		{"for i = 1 do end", "1:5-10 a numeric for takes 2 or 3 values, start, limit and step: got 1"},
		{"x = 'abc\nd'", "1:5-9 a quoted string doesn't end on its line"},
		{"x = [==[ a ]=]", "1:5-9 unterminated long string: ]==] is missing"},
		{"--[[ a", "1:3-5 unterminated long comment: ]] is missing"},
		{"if a != b then end", "1:6-8 '!=' is not an operator of Lua: use ~="},
		{"x = 3x", "1:5-7 malformed number near '3x'"},
		{"x = 0xg", "1:5-8 malformed number near '0xg'"},
		{"x = 1e+", "1:5-8 malformed number near '1e+'"},
		{"ä()", "1:1-2 unexpected character 'ä'"},
		{"f() = 1", "1:1-4 can't assign to this: only to names and fields"},
		{"end", "1:1-4 unexpected 'end': expected a statement"},
		{"function f(a,) end", "1:14-15 unexpected ')': expected a name"},
		{"a.b:c = 1", "1:7-8 unexpected '=': expected the arguments of a call"},
		{"return 1; f()", "1:11-12 unexpected 'f': expected a statement"},
		{"x = \"ä\\é\" y", "1:11-12 not a statement: expected a call or an assignment"},
		{"x = 3..2", "1:5-9 malformed number near '3..2'"},
		{"x = .5.", "1:5-8 malformed number near '.5.'"},
		{"(a)", "1:1-4 not a statement: expected a call or an assignment"},
		{"a, (b) = 1", "1:4-7 can't assign to this: only to names and fields"},
		{"--[=[ a ]]", "1:3-6 unterminated long comment: ]=] is missing"},
		{"x = t[=1]", "1:6-8 a long string begins with [=[: the second [ is missing"},
		{"for a, b = 1, 2 do end", "1:10-11 unexpected '=': expected 'in'"},
		{"while x do\nf()", "2:4-4 unexpected end of the source: expected 'end', to close the 'while' of line 1"},
		{"x = " + strings.Repeat("(", 20000), "1:205-206 blocks and brackets are nested deeper than 200"},
	} {
		_, err := syntax.Parse([]byte(c.src))
		e, ok := err.(*syntax.Error)
		if !ok {
			t.Errorf("%.60s\n got no error\nwant %s", c.src, c.want)
			continue
		}
		if got := fmt.Sprintf("%d:%d-%d %s", e.From.Line, e.From.Column, e.To.Column, e.Message); got != c.want {
			t.Errorf("%.60s\n got %s\nwant %s", c.src, got, c.want)
		}
	}
}

// The spans of nodes are their positions in the source.
func TestParse_Spans(t *testing.T) {
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
		from, to := chunk.Lines.Place(s.Start), chunk.Lines.Place(s.End)
		got = append(got, fmt.Sprintf("%s %d:%d-%d:%d", text, from.Line, from.Column, to.Line, to.Column))
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

func TestValidate_Limits(t *testing.T) {
	deep := func(open, inside, shut string, n int) string {
		return strings.Repeat(open, n) + inside + strings.Repeat(shut, n)
	}
	const tooDeep, tooLong = "blocks and brackets are nested deeper than 200", "an expression has more than 5000 parts: split it"
	for _, c := range []struct{ src, want string }{
		{"return " + deep("{", "", "}", 199), ""},
		{"return " + deep("{", "", "}", 201), tooDeep},
		{"return " + deep("(", "1", ")", 201), tooDeep},
		{"return x" + deep("[x", "", "]", 201), tooDeep},
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
		{strings.Repeat("local x = y(1)\n", 10000), ""},
		{"t = {" + strings.Repeat("1, ", 20000) + "}", ""},
		{"t = {" + strings.Repeat("a = 1; ", 20000) + "}", ""},
		{"x" + strings.Repeat(":y(1, 2)", 1000), ""},
		{"x" + strings.Repeat(":y(1, 2)", 2000), tooLong},
		{"x" + strings.Repeat(":y(function() return 1 + 2 + 3 end)", 1000), ""},
		{"x" + strings.Repeat(":y(function() return 1 + 2 + 3 end)", 2000), tooLong},
		{"x = 1" + strings.Repeat("+function()end", 2000), ""},
		{"x = 1" + strings.Repeat("+function()end", 3000), tooLong},
		{"f" + strings.Repeat("{1;}", 3000), tooLong},
		{"f" + strings.Repeat("(a,a)", 3000), tooLong},
		{"x = {" + strings.Repeat("f(1, g(2), function() return h(3) end), ", 3000) + "}", ""},
		{`s = "{{{{" .. '((((' .. [[ do do ]] .. [==[ [[ ]==] -- {{{{ do` + "\n--[[ " + strings.Repeat("{", 500) + " ]] x = 1", ""},
		{"return " + strings.Repeat("not ", 6000) + "x", tooLong},
		{"return x" + strings.Repeat(".x", 3000), tooLong},
		{"return x" + strings.Repeat("()", 6000), tooLong},
		{"return 1" + strings.Repeat("+1", 2400), ""},
		{"x = 'broken\n'", "a quoted string doesn't end on its line"},
		{`x = "gone on \` + "\n" + `with"`, ""},
	} {
		var got string
		if err := syntax.Validate([]byte(c.src)); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%.40q: got %q, want %q", c.src, got, c.want)
		}
	}
	var refused *syntax.Error
	src := "\n--[[\n\n]]\nx = [[\n]]\ny = " + strings.Repeat("{", 201)
	if !errors.As(syntax.Validate([]byte(src)), &refused) || refused.From.Line != 7 {
		t.Errorf("got %+v, want line 7", refused)
	}
}
