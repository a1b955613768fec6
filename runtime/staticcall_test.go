package runtime

import (
	"fmt"
	"strings"
	"testing"
)

// TestHost_Refusals checks calls in sources. The errors must have the messages of a run, which TestArguments tests, and
// the right argument or field.
func TestHost_Refusals(t *testing.T) {
	mk := Builtin{Name: "make", Positional: 2, Params: []Param{
		{Name: "name", Alias: "label", Type: String, Required: true},
		{Name: "hosts", Type: Strings},
		{Name: "count", Type: Integer, Min: Bound(1), Max: Bound(9)},
		{Name: "form", Type: String, Enum: []string{"table", "json"}},
		{Name: "f", Type: Function},
	}}
	show := Builtin{Name: "show", Positional: 1, Params: []Param{{Name: "values", Type: Any, Rest: true}}}
	table := func(pairs ...any) TableLiteral {
		var t TableLiteral
		for i := 0; i < len(pairs); i += 2 {
			t = append(t, FieldLiteral{pairs[i], pairs[i+1]})
		}
		return t
	}
	h := New(Options{})
	defer h.Close()
	for _, c := range []struct {
		what string
		b    Builtin
		args []any
		want string // index of the argument, index of the field, "k" if its key is wrong, message
	}{
		{"good", mk, []any{"a", table(nil, "x", nil, "y")}, ""},
		{"good names", mk, []any{table(nil, "a", "count", 3.0, "f", FunctionLiteral)}, ""},
		{"missing", mk, []any{table("count", 3.0)}, "-1 -1: make: parameter name: required, but not given"},
		{"all at once", mk, []any{table("nam", "a", "count", 10.0, "form", "jason", "hosts", true)},
			"0 0k: make: unknown parameter nam: did you mean name?\n0 1: make: parameter count: 10 is out of range: 1 to 9\n" +
				"0 2: make: parameter form: got \"jason\": did you mean \"json\"?\n" +
				"0 3: make: parameter hosts: got boolean, want a string or a list of strings\n-1 -1: make: parameter name: required, but not given"},
		{"twice", mk, []any{table(nil, "a", "label", "b")}, "0 1: make: parameter name: given twice, by position and as label"},
		{"second item", mk, []any{table(nil, "a", nil, 5.0)}, "0 1: make: parameter hosts: got number, want a string or a list of strings"},
		{"too many", mk, []any{"a", "b", "c"}, "2 -1: make: got 3 arguments, takes 2 by position (name, hosts)"},
		{"nil", mk, []any{nil}, "0 -1: make: parameter name: got nil"},
		{"both", mk, []any{"a", table(nil, "b", "count", 1.0)}, "1 -1: make: the table of named parameters has list items: give these before it"},
		{"a number as key", mk, []any{"a", table(7.5, "b", "count", 1.0)}, "1 0k: make: unknown parameter [7.5]: parameters have names"},

		{"an unknown table may hold all", mk, []any{Unknown}, ""},
		{"an unknown value", mk, []any{table("name", Unknown, "cont", 1.0)}, "0 1k: make: unknown parameter cont: did you mean count?"},
		{"an unknown value may be nil", mk, []any{table(nil, "a", "label", Unknown)}, ""},
		{"any number of values", mk, []any{UnknownList}, ""},
		{"a table before values", mk, []any{table("nam", "a"), UnknownList}, ""},
		{"values at the end of a table", mk, []any{table(nil, "a", nil, "b", nil, UnknownList)}, ""},
		{"an unknown key", mk, []any{table(Unknown, 1.0, "cont", 1.0)}, ""},
		{"inside a list", mk, []any{"a", table(nil, Unknown, nil, 5.0)}, ""},
		{"more than can be placed", mk, []any{"a", "b", Unknown, Unknown}, "2 -1: make: got 3 arguments, takes 2 by position (name, hosts)"},
		{"anything goes", show, []any{nil, Unknown, table("a", 1.0), UnknownList}, ""},
	} {
		var got []string
		for _, r := range h.CheckCall(&c.b, c.b.Name, c.args) {
			key := ""
			if r.Key {
				key = "k"
			}
			got = append(got, fmt.Sprintf("%d %d%s: %s", r.Argument, r.Field, key, r.Message))
		}
		if joined := strings.Join(got, "\n"); joined != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.what, joined, c.want)
		}
	}
}
