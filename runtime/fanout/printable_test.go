package fanout

import "testing"

func TestPrintable_Escapes(t *testing.T) {
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
		if got := Printable(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}
