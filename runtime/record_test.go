package runtime

import (
	"strings"
	"testing"
)

// A record's fields are read when they are needed. A list in a field is built only when its items are needed: the table
// of a record shows its length.
func TestHost_FieldsAreReadWhenNeeded(t *testing.T) {
	asked, made := map[string]int{}, 0
	rt := &RecordType{Name: "row", Fields: []Field{{Name: "name"}, {Name: "parts"}, {Name: "none"}}}
	record := Record{Type: rt, Get: func(field string) any {
		asked[field]++
		switch field {
		case "name":
			return "orders"
		case "parts":
			return LazyList{Len: 2, Make: func() List {
				made++
				return List{Items: []any{"a", "b"}}
			}}
		}
		return nil
	}}
	h, _ := testHost(t, given("rows", List{Items: []any{record}}))
	if got := Format(List{Items: []any{record}}); !strings.Contains(got, "[2]") || made != 0 {
		t.Errorf("the table:\n%s\nmade %d times", got, made)
	}
	clear(asked)
	for _, test := range []struct{ script, want string }{
		{`return rows()[1].name`, "orders"},
		{`return rows()[1].parts[2]`, "b"},
		{`return tostring(rows()[1].none)`, "nil"},
		{`return #rows()[1].parts`, "2"},
		{`local n = 0 for _ in pairs(rows()[1]) do n = n + 1 end return n`, "2"},
		{`return pcall(function() return rows()[1].nome end)`, "false"},
	} {
		values, err := h.Eval(t.Context(), test.script)
		if err != nil || len(values) == 0 || Format(values[0]) != test.want {
			t.Errorf("%s: got %v, error %v", test.script, values, err)
		}
		if test.script == `return rows()[1].name` && (asked["name"] != 1 || asked["parts"] != 0) {
			t.Errorf("asked for %v to read a name", asked)
		}
	}
	var b strings.Builder
	if err := EncodeJSON(&b, record); err != nil || b.String() != `{"name":"orders","parts":["a","b"],"none":null}` {
		t.Errorf("%s, error %v", b.String(), err)
	}
}
