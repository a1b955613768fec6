package runtime

import (
	"errors"
	"strings"
	"testing"
)

func TestHost_Format(t *testing.T) {
	long := strings.Repeat("x", 40)
	for _, c := range []struct {
		v    any
		want string
	}{
		{nil, "nil"}, {"as it is\n", "as it is\n"}, {1.5, "1.5"}, {7, "7"}, {true, "true"},
		{[]any{}, "{}"}, {[]string{"a", "b"}, `{"a", "b"}`},
		{map[string]any{"b": []any{1, nil}, "a-b": "q\"", "1x": 1, "x": nil}, `{["1x"] = 1, ["a-b"] = "q\"", b = {1, nil}}`},
		{map[string]any{"one": long, "two": []any{long, long}}, "{\n  one = \"" + long + "\",\n  two = {\n    \"" + long + "\",\n    \"" + long + "\",\n  },\n}"},
		{Record{Type: rowType, Values: map[string]any{"port": 1, "name": "n", "zz": 2, "aa": 1}}, `{name = "n", port = 1, aa = 1, zz = 2}`},
		{List{Items: []any{row("a", 1), row("bcd", 22)}}, "name  port\na     1\nbcd   22"},
		{List{Items: []any{Record{Type: rowType, Values: map[string]any{"name": "é", "tags": []any{"x", "y"}}}, row("bcd", 22)}},
			"name  port  tags\né           {\"x\", \"y\"}\nbcd   22    "},
		{List{Items: []any{row("a", 1), 5}}, `{{name = "a", port = 1}, 5}`},
		{List{Items: []any{1}}, "{1}"}, {List{}, "{}"},
		{List{Items: []any{1}, String: func([]any) string { return "own" }}, "own"},
		{[]any{&fleet{names: []string{"a"}}, ticket{}}, "{fleet of 1, <ticket>}"},
		{errors.New("bad"), "bad"}, {&Error{Message: "m", File: "f", Line: 3}, "f:3: m"},
		{&Func{}, "<function>"},
	} {
		if got := Format(c.v); got != c.want {
			t.Errorf("%#v:\n got %q\nwant %q", c.v, got, c.want)
		}
	}
}

// tower returns a list of two lists that are the same, and so on: it has 2^height values.
func tower(height int) []any {
	t := []any{1}
	for range height {
		t = []any{t, t}
	}
	return t
}

func TestHost_FormatIsBounded(t *testing.T) {
	for name, v := range map[string]any{
		"tower":  tower(60),
		"fields": map[string]any{"a": tower(60), "b": tower(60)},
		"long":   []any{strings.Repeat("x", 2*maxText), 1},
	} {
		got := Format(v)
		if len(got) > maxText+1<<20 || !strings.Contains(got, "<…>") || !strings.HasSuffix(got, "\n}") {
			t.Errorf("%s: %d bytes end with %q", name, len(got), got[max(0, len(got)-50):])
		}
	}
}

// A record after records of another type, all of whose fields are set, is part of no table.
func TestHost_FormatMixedRecords(t *testing.T) {
	full := Record{Type: rowType, Values: map[string]any{"name": "a", "port": 1, "tags": 2}}
	if got := Format(List{Items: []any{full, 5}}); got != `{{name = "a", port = 1, tags = 2}, 5}` {
		t.Errorf("got %q", got)
	}
}
