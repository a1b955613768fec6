package printable

import (
	"strings"
	"testing"
)

func TestWrap_BreaksAtSpaces(t *testing.T) {
	for _, c := range []struct {
		text                  string
		columns, used, indent int
		want                  string
	}{
		{"", 10, 0, 2, ""},
		{"aaa bbb ccc", 11, 0, 2, "aaa bbb ccc"},
		{"aaa bbb ccc", 10, 0, 2, "aaa bbb\n  ccc"},
		{"aaa bbb ccc", 10, 6, 2, "aaa\n  bbb ccc"},
		{"aaaaa bbb", 10, 6, 2, "\n  aaaaa\n  bbb"},
		{"a very-long-word-that-is-whole b", 10, 0, 2, "a\n  very-long-word-that-is-whole\n  b"},
		{"very-long-word-that-is-whole b", 10, 0, 2, "very-long-word-that-is-whole\n  b"},
		{"  aaa bbb ccc", 10, 0, 2, "  aaa bbb\n  ccc"},
		{"äöü äöü äöü", 11, 0, 2, "äöü äöü äöü"},
		{"aaa bbb ccc\nddd eee fff", 10, 4, 2, "aaa\n  bbb ccc\nddd eee\n  fff"},
		{"aaa  bbb", 7, 0, 2, "aaa \n  bbb"},
	} {
		got := Wrap(c.text, c.columns, c.used, c.indent)
		if got != c.want {
			t.Errorf("%q in %d columns from %d: got %q, want %q", c.text, c.columns, c.used, got, c.want)
		}
		if words, kept := strings.Fields(c.text), strings.Fields(got); strings.Join(words, " ") != strings.Join(kept, " ") {
			t.Errorf("%q has other words than %q", got, c.text)
		}
	}
}
