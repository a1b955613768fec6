package suite

import (
	"strings"
	"testing"
)

func TestDifference(t *testing.T) {
	for _, test := range []struct{ name, expected, got, want string }{
		{"one line", "1", "2", "- 1\n+ 2\n"},
		{"in the middle", "a\nb\nc", "a\nx\nc", "  a\n- b\n+ x\n  c\n"},
		{"added", "a\nc", "a\nb\nc", "  a\n+ b\n  c\n"},
		{"removed at the end", "a\nb\nc", "a", "  a\n- b\n- c\n"},
		{"nothing in common", "a\nb", "c\nd", "- a\n- b\n+ c\n+ d\n"},
		{"moved", "a\nb\nc", "b\nc\na", "- a\n  b\n  c\n+ a\n"},
		{"trailing space", "a ", "a", "- a\n+ a\n"},
	} {
		if got := difference(test.expected, test.got); got != "- expected  + got\n"+test.want {
			t.Errorf("%s:\n%s", test.name, got)
		}
	}
}

// Long values are not compared line by line, which takes the product of their lengths, but shown in full.
func TestDifferenceOfLongValues(t *testing.T) {
	long := strings.Repeat("x\n", maxCompared)
	got := difference(long, "x")
	if lines := strings.Count(got, "\n"); lines != 1+maxCompared+1+1 {
		t.Errorf("%d lines", lines)
	}
}
