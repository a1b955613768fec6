package stdlib_test

import (
	"bytes"
	"context"
	"testing"

	"dkvrun/runtime"
	"dkvrun/stdlib"
)

func TestModules_Functions(t *testing.T) {
	const lists, text = `local lists = require "lists" `, `local text = require "text" `
	for _, c := range []struct{ script, want string }{
		{lists + `print(lists.map({1, 2, 3}, function(x, i) if x ~= 2 then return x * 10 + i end end))`, "{11, 33}\n"},
		{lists + `print(lists.filter({1, 2, 3, 4}, function(x) return x % 2 == 0 end))`, "{2, 4}\n"},
		{lists + `print(lists.find({"a", "b"}, function(x) return x == "b" end))`, "b\t2\n"},
		{lists + `print(lists.find({}, print))`, "nil\n"},
		{lists + `print(lists.contains({"a", "b"}, "b"), lists.contains({}, nil), lists.contains({1}, "1"))`, "true\tfalse\tfalse\n"},
		{lists + `print(lists.unique({3, 1, 3, 2, 1}))`, "{3, 1, 2}\n"},
		{lists + `print(lists.group({"ab", "c", "de"}, function(s) return "n" .. #s end))`, "{n1 = {\"c\"}, n2 = {\"ab\", \"de\"}}\n"},
		{lists + `print(lists.keys({b = 1, a = 1, [2] = 1, [1] = 1, [true] = 1, [false] = 1}))`, "{false, true, 1, 2, \"a\", \"b\"}\n"},
		{lists + "\n\nlists.map({}, 5)", "error: test.lua:3: lists.map: got number, want function"},
		{text + `print(text.split("a,,b", ","), text.split("", "."), text.split("a.b", "."))`, "{\"a\", \"\", \"b\"}\t{\"\"}\t{\"a\", \"b\"}\n"},
		{text + `print(text.lines("a\r\n\nb"), text.lines("a\n"), text.lines(""), text.lines("\n"))`, "{\"a\", \"\", \"b\"}\t{\"a\"}\t{}\t{\"\"}\n"},
		{text + `print("<" .. text.trim("  a b\n") .. text.trim(" ") .. ">")`, "<a b>\n"},
		{text + `print(text.starts_with("abc", "ab"), text.starts_with("abc", "b"), text.ends_with("abc", "bc"), text.ends_with("abc", ""), text.ends_with("c", "bc"))`,
			"true\tfalse\ttrue\ttrue\tfalse\n"},
		{text + "\ntext.split('a', '')", "error: test.lua:2: text.split: the separator is empty"},
		{text + "\ntext.trim(nil)", "error: test.lua:2: text.trim: text: got nil, want string"},
	} {
		var out bytes.Buffer
		h := runtime.New(runtime.Options{Stdout: &out, Script: t.TempDir() + "/test.lua", Stdlib: stdlib.FS})
		_, err := h.RunSource(context.Background(), "test.lua", []byte(c.script))
		got := out.String()
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != c.want {
			t.Errorf("%s\n got %q\nwant %q", c.script, got, c.want)
		}
		h.Close()
	}
}
