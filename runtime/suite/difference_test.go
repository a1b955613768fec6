package suite

import (
	"strings"
	"testing"
)

func TestDifference_Lines(t *testing.T) {
	for _, test := range []struct{ name, expected, got, want string }{
		{"one line", "1", "2", "- 1\n+ 2\n"},
		{"in the middle", "a\nb\nc", "a\nx\nc", "  a\n- b\n+ x\n  c\n"},
		{"added", "a\nc", "a\nb\nc", "  a\n+ b\n  c\n"},
		{"removed at the end", "a\nb\nc", "a", "  a\n- b\n- c\n"},
		{"nothing in common", "a\nb", "c\nd", "- a\n- b\n+ c\n+ d\n"},
		{"moved", "a\nb\nc", "b\nc\na", "- a\n  b\n  c\n+ a\n"},
		{"what is not seen", "a \nb\nc\r", "a\n\x1bb\nc", "- \"a \"\n- b\n- \"c\\r\"\n+ a\n+ \"\\x1bb\"\n+ c\n"},
		{"far apart", "a\n1\n2\n3\n4\n5\n6\n7\n8\nb\n1\n2\n3\n4\n5", "x\n1\n2\n3\n4\n5\n6\n7\n8\ny\n1\n2\n3\n4\n5",
			"- a\n+ x\n  1\n  2\n  3\n  … 2 equal lines\n  6\n  7\n  8\n- b\n+ y\n  1\n  2\n  3\n  … 2 equal lines\n"},
		{"at the end", "1\n2\n3\n4\n5\n6\na", "1\n2\n3\n4\n5\n6\nb", "  … 3 equal lines\n  4\n  5\n  6\n- a\n+ b\n"},
	} {
		if got := difference(test.expected, test.got); got != "- expected  + got\n"+test.want {
			t.Errorf("%s:\n%s", test.name, got)
		}
	}
}

// The time to compare long texts does not grow with the product of their lengths.
func TestDifference_LongTexts(t *testing.T) {
	long := strings.Repeat("x\n", 50_000)
	if got := difference(long+"a\n"+long, long+"b\n"+long); got != "- expected  + got\n  … 49997 equal lines\n  x\n  x\n  x\n- a\n+ b\n  x\n  x\n  x\n  … 49998 equal lines\n" {
		t.Errorf("a change within:\n%s", got)
	}
	got := difference(long, "x\ny")
	if lines := strings.Count(got, "\n"); lines > maxChanged+5 || !strings.Contains(got, "\n- … 49900 more lines\n+ y\n") {
		t.Errorf("%d lines:\n%s", lines, got)
	}
}

// The part of long lines that differs is shown.
func TestDifference_LongLines(t *testing.T) {
	long := strings.Repeat("é", 1000)
	got := difference(long+"a"+long, long+"b"+long)
	want := "- expected  + got\n- …" + long[:maxBefore] + "a" + long[:maxLine-maxBefore-2] + "… 1702 more bytes\n+ …" + long[:maxBefore] + "b"
	if !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := difference(long, "b"); got != "- expected  + got\n- "+long[:maxLine]+"… 1600 more bytes\n+ b\n" {
		t.Errorf("got\n%s", got)
	}
}
