package runtime

import (
	"bytes"
	"math"
	"reflect"
	"testing"
)

func encoded(v any) (string, error) {
	var out bytes.Buffer
	err := EncodeJSON(&out, v)
	return out.String(), err
}

func TestHost_EncodeJSON(t *testing.T) {
	for _, c := range []struct {
		v    any
		want string
	}{
		{nil, "null"}, {true, "true"}, {int64(7), "7"}, {-2.5, "-2.5"}, {1e21, "1e+21"},
		{"a\"<b>\n\u2028", `"a\"<b>\n\u2028"`},
		{[]string(nil), "[]"}, {[]any{}, "[]"}, {map[string]any{}, "{}"}, {List{}, "[]"},
		{map[string]any{"b": 1, "a": []any{nil}}, `{"a":[null],"b":1}`},
		{&Error{Message: "m", File: "f", Line: 2}, `"f:2: m"`},
	} {
		if got, err := encoded(c.v); err != nil || got != c.want {
			t.Errorf("%#v: got %s, %v, want %s", c.v, got, err, c.want)
		}
	}
	deep := []any{}
	for range 300 {
		deep = []any{deep}
	}
	for _, v := range []any{math.NaN(), math.Inf(1), make(chan int), &Func{}, deep, []any{opaque("<cycle>")}, mixedTable{}} {
		if got, err := encoded(v); err == nil || got != "" {
			t.Errorf("%v was encoded as %s", v, got)
		}
	}
}

func TestHost_DecodeJSON(t *testing.T) {
	v, err := DecodeJSON([]byte(` {"a": [1, 2.5, 1e3, 12345678901234567890, null], "b": {}} `))
	want := map[string]any{"a": []any{1, 2.5, 1000, 12345678901234567890.0, nil}, "b": map[string]any{}}
	if err != nil || !reflect.DeepEqual(v, want) {
		t.Errorf("got %#v, %v", v, err)
	}
	for _, bad := range []string{"", "{", "1 2", "nul", `{"a":1e999}`, "[1,]"} {
		if v, err := DecodeJSON([]byte(bad)); err == nil {
			t.Errorf("%q was decoded as %v", bad, v)
		}
	}
}

func TestHost_JSONChangesNoBytes(t *testing.T) {
	for _, c := range []struct {
		v    any
		want string
	}{
		{"\xff\x00", `"\xff\x00" is not UTF-8, and JSON can't hold other bytes`},
		{[]any{1, map[string]any{"a b": []any{"x\xff"}}}, `[2]["a b"][1]: "x\xff" is not UTF-8, and JSON can't hold other bytes`},
		{map[string]any{"k\xfe": 1, "k\xff": 2}, `a key: "k\xfe" is not UTF-8, and JSON can't hold other bytes`},
		{map[string]any{"list": []any{1, &Func{}}}, `.list[2]: a function has no form in JSON`},
		{&Error{Message: "\xff"}, `"\xff" is not UTF-8, and JSON can't hold other bytes`},
	} {
		if got, err := encoded(c.v); err == nil || err.Error() != c.want {
			t.Errorf("%#v: got %s, error %v, want %s", c.v, got, err, c.want)
		}
	}
	for _, same := range []string{`"\ufffd"`, "\"\ufffd\"", `"\ud83d\ude00"`, `"\\ud800"`, `{"a":{"a":1},"b":[{"a":1},{"a":2}]}`} {
		if _, err := DecodeJSON([]byte(same)); err != nil {
			t.Errorf("%s: %v", same, err)
		}
	}
	for text, want := range map[string]string{
		"[1, \"a\xff\"]":                        "not JSON: byte 7: the text is not UTF-8, or has half of a surrogate pair",
		`"\ud800"`:                              "not JSON: byte 2: the text is not UTF-8, or has half of a surrogate pair",
		`"\udc00\ud800"`:                        "not JSON: byte 2: the text is not UTF-8, or has half of a surrogate pair",
		`"\ud800\u0041"`:                        "not JSON: byte 2: the text is not UTF-8, or has half of a surrogate pair",
		`{"a": 1, "b": [{}], "\u0061": 2}`:      `byte 21: the object has the name "\u0061" twice`,
		`[{"x": {}, "y": [[]]}, {"x":1,"x":1}]`: `byte 31: the object has the name "x" twice`,
	} {
		if v, err := DecodeJSON([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, error %v, want %s", text, v, err, want)
		}
	}
}

func FuzzHost_DecodeJSON(f *testing.F) {
	f.Add([]byte(`{"a":[1,2.5,"x",null,true]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := DecodeJSON(data)
		if err != nil {
			return
		}
		text, err := encoded(v)
		if err != nil {
			return // nested too deep to be encoded
		}
		again, err := DecodeJSON([]byte(text))
		if err != nil || !reflect.DeepEqual(v, again) {
			t.Errorf("%q became %q", data, text)
		}
	})
}
