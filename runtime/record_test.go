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

// The table of a Dict raises an error for a name that it lacks, and behaves like any other table otherwise.
func TestHost_DictRefusesUnknownNames(t *testing.T) {
	full := Dict{Name: "ports", Values: map[string]any{"http": 80, "ssh": 22}}
	for _, test := range []struct{ script, want string }{
		{`return v.ssh`, "22"},
		{`return select(2, pcall(function() return v.sssh end)).message`, "ports: no field sssh: did you mean ssh?"},
		{`return tostring(v)`, "{http = 80, ssh = 22}"},
		{`local n = 0 for _, port in pairs(v) do n = n + port end return n`, "102"},
		{`v.dns = 53 return v.dns`, "53"},
	} {
		h, _ := testHost(t, given("dict", full))
		got, err := h.Eval(t.Context(), "local v = dict() "+test.script)
		if err != nil || Format(got[0]) != test.want {
			t.Errorf("%s: got %v, error %v, want %s", test.script, got, err, test.want)
		}
	}
	h, _ := testHost(t, given("dict", Dict{Name: "ports"}))
	got, err := h.Eval(t.Context(), "dict()")
	if text, unfit := encoded(got[0]); err != nil || unfit != nil || text != "{}" {
		t.Errorf("an empty one is %s in JSON, error %v, %v", text, err, unfit)
	}
}

// noticing is the Source of a record and a list that count what a script reads of them.
type noticing struct{ reads, asserts int }

func (*noticing) ObjectType() *ObjectType { return noticingType }

var noticingType = &ObjectType{Name: "noticing", Assert: func(o Object) error {
	o.(*noticing).asserts++
	return nil
}}

// A field with OnRead is noticed when a script reads it, also after the table was filled, and not when the value is
// printed, encoded or given to another function.
func TestHost_WatchedFieldsAreNoticed(t *testing.T) {
	rt := &RecordType{Name: "answer", Fields: []Field{
		{Name: "name"}, {Name: "parts"}, {Name: "ok", OnRead: func(o Object) { o.(*noticing).reads++ }},
	}, Methods: []Builtin{{Name: "check", Impl: func(c *Call) (any, error) {
		c.Self.(*noticing).reads += 100
		return c.Receiver, nil
	}}}}
	values := map[string]any{"name": "orders", "ok": true, "parts": []any{1, 2}}
	for _, test := range []struct {
		script, want string
		reads        int
	}{
		{`return v.ok`, "true", 1},
		{`return v.name`, "orders", 0},
		{`return v.ok, v.ok`, "true", 2},
		{`return v:check().ok`, "true", 101},
		{`return v:check() == v`, "true", 100},
		{`return tostring(v):find("ok = true", 1, true) ~= nil`, "true", 0},
		{`local p = v.parts return tostring(v):find("ok = true", 1, true) ~= nil`, "true", 0},
		{`local p = v.parts[1] return v.ok`, "true", 1},
		{`v.name = "other" return v.ok`, "true", 1},
		{`v.ok = "yes" return v.ok`, "yes", 0},
		{`v.ok = "yes" return v:check() == v`, "true", 100},
		{`local n = 0 for _ in pairs(v) do n = n + 1 end return n`, "3", 1},
		{`return rawget(v, "ok")`, "true", 1},
		{`return pcall(function() return v.okay end)`, "false", 0},
		{`assert(v) return 1`, "1", 1000},
	} {
		o := &noticing{}
		h, _ := testHost(t, given("record", Record{Type: rt, Values: values, Source: o}))
		got, err := h.Eval(t.Context(), "local v = record() "+test.script)
		if reads := o.reads + 1000*o.asserts; err != nil || Format(got[0]) != test.want || reads != test.reads {
			t.Errorf("%s: got %v, error %v, noticed %d, want %d", test.script, got, err, reads, test.reads)
		}
	}
	for script, reads := range map[string]int{
		`return v.ok`: 1, `return #v`: 0, `return v:check()[1]`: 100, `return tostring(v)`: 0, `assert(v) return 1`: 1000,
		`for _, item in ipairs(v) do item = nil end return 1`: 0,
	} {
		o := &noticing{}
		h, _ := testHost(t, given("list", List{Type: rt, Items: []any{"a"}, Values: values, Source: o}))
		if _, err := h.Eval(t.Context(), "local v = list() "+script); err != nil || o.reads+1000*o.asserts != reads {
			t.Errorf("%s: error %v, noticed %d, want %d", script, err, o.reads+1000*o.asserts, reads)
		}
	}
}
