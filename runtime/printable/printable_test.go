package printable

import (
	"encoding/json"
	"testing"
)

func TestPrintable_Line(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"port 7811 is taken":       "port 7811 is taken",
		"größer, 日本, é, 🙂":         "größer, 日本, é, 🙂",
		"a\nb\r\tc":                `a\x0ab\x0d\x09c`,
		"\x1b[2Jgone":              `\x1b[2Jgone`,
		"nul\x00":                  `nul\x00`,
		"\u009b31m":                `\u009b31m`,
		"a\u202egpj.exe":           `a\u202egpj.exe`,
		"\u200f\u2066\ufeff\u061c": `\u200f\u2066\ufeff\u061c`,
		"\u2028":                   `\u2028`,
		"\U000e0041":               `\U000e0041`,
		"bad\xff\xc3":              `bad\xff\xc3`,
		"\ufffd":                   "\ufffd",
	} {
		if got := Line(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestPrintable_Text(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "",
		"a\n\tb":                    "a\n\tb",
		"a\r\n\x1b[2Jb\u202e\u009b": "a\\x0d\n\\x1b[2Jb\\u202e\\u009b",
	} {
		if got := Text(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
		if got := Text(Text(in)); got != want {
			t.Errorf("%q: twice: got %s", in, got)
		}
	}
}

func TestPrintable_JSON(t *testing.T) {
	for _, text := range []string{"", "größer, 日本, 🙂", "a\u202e\u009b\u2028\x7f\ufeff\U000e0041b", "plain \x1b[2J"} {
		plain, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		got := JSON(plain)
		if clean := Line(string(got)); clean != string(got) {
			t.Errorf("%q: %s is not printable", text, got)
		}
		var back string
		if err := json.Unmarshal(got, &back); err != nil || back != text {
			t.Errorf("%q: came back as %q, %v", text, back, err)
		}
	}
}
