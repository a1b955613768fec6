package suite

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/diff"
)

const (
	// maxEqual is how many equal lines are shown next to a change, maxChanged how many changed lines in a row.
	maxEqual   = 3
	maxChanged = 100
	// maxLine is how much of a line is shown, in bytes; maxBefore how much of that stands before a change in it.
	maxLine   = 400
	maxBefore = 100
)

// hunk is a run of lines with one mark: '-' for lines that only the expected text has, '+' for lines that only
// the other text has, ' ' for lines that both have.
type hunk struct {
	mark  byte
	lines []string
}

// difference compares two texts line by line. Of long texts and long lines it shows the parts around the changes.
func difference(expected, got string) string {
	hunks := hunksOf(expected, got)
	var out strings.Builder
	out.WriteString("- expected  + got\n")
	for i, h := range hunks {
		switch {
		case h.mark == '-' && i+1 < len(hunks) && hunks[i+1].mark == '+':
			shorten(h.lines, hunks[i+1].lines)
		case h.mark != '+' || i == 0 || hunks[i-1].mark != '-':
			shorten(h.lines, nil)
		}
		if h.mark == ' ' {
			writeEqual(&out, h.lines, i == 0, i == len(hunks)-1)
			continue
		}
		for _, line := range h.lines[:min(len(h.lines), maxChanged)] {
			fmt.Fprintf(&out, "%c %s\n", h.mark, line)
		}
		if more := len(h.lines) - maxChanged; more > 0 {
			fmt.Fprintf(&out, "%c … %d more lines\n", h.mark, more)
		}
	}
	return out.String()
}

// hunksOf returns the lines of two texts as hunks. It quotes changed lines whose content is not visible.
func hunksOf(expected, got string) []hunk {
	var hunks []hunk
	add := func(mark byte, lines ...string) {
		if n := len(hunks); n > 0 && hunks[n-1].mark == mark {
			hunks[n-1].lines = append(hunks[n-1].lines, lines...)
		} else if len(lines) > 0 {
			hunks = append(hunks, hunk{mark, append([]string(nil), lines...)})
		}
	}
	equal := strings.Split(expected, "\n") // those that diff leaves out are taken from here
	at := 0                                // how many of them are done
	unified := string(diff.Diff("expected", []byte(expected+"\n"), "got", []byte(got+"\n")))
	for i, line := range strings.Split(strings.TrimSuffix(unified, "\n"), "\n") {
		var start, count int
		switch {
		case i < 3: // the header
		case line[0] == '@':
			if _, err := fmt.Sscanf(line, "@@ -%d,%d", &start, &count); err == nil {
				add(' ', equal[at:start-1]...)
				at = start - 1
			}
		case line[0] == ' ':
			add(' ', line[1:])
			at++
		case line[0] == '-':
			add('-', visible(line[1:]))
			at++
		default:
			add('+', visible(line[1:]))
		}
	}
	add(' ', equal[at:]...)
	return hunks
}

// writeEqual writes those lines that both texts have and that are next to a change.
func writeEqual(out *strings.Builder, lines []string, first, last bool) {
	head, tail := maxEqual, maxEqual
	if first {
		head = 0
	}
	if last {
		tail = 0
	}
	omitted := len(lines) - head - tail
	for i, line := range lines {
		switch {
		case omitted <= 1 || i < head || i >= head+omitted:
			out.WriteString(strings.TrimRight("  "+line, " ") + "\n")
		case i == head:
			fmt.Fprintf(out, "  … %d equal lines\n", omitted)
		}
	}
}

// visible quotes a line that has spaces at its end or control characters.
func visible(line string) string {
	hidden := func(r rune) bool { return r != '\t' && (unicode.IsControl(r) || r == utf8.RuneError) }
	if strings.TrimRight(line, " \t") != line || strings.ContainsFunc(line, hidden) {
		return strconv.Quote(line)
	}
	return line
}

// shorten cuts long lines. Lines at the same position in the two texts are cut to the part in which they differ.
func shorten(expected, got []string) {
	for i := range max(len(expected), len(got)) {
		switch {
		case i >= len(got):
			expected[i] = excerpt(expected[i], 0)
		case i >= len(expected):
			got[i] = excerpt(got[i], 0)
		default:
			from := commonPrefix(expected[i], got[i]) - maxBefore
			expected[i], got[i] = excerpt(expected[i], from), excerpt(got[i], from)
		}
	}
}

// commonPrefix returns how many bytes two texts have in common at their beginning.
func commonPrefix(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// excerpt returns a line from a byte on, with "…" for what it leaves out before that and at the end.
func excerpt(line string, from int) string {
	if len(line) <= maxLine {
		return line
	}
	head, tail := "", ""
	if from > 0 {
		for from < len(line) && !utf8.RuneStart(line[from]) {
			from++
		}
		head, line = "…", line[from:]
	}
	if len(line) > maxLine {
		end := maxLine
		for end > 0 && !utf8.RuneStart(line[end]) {
			end--
		}
		line, tail = line[:end], fmt.Sprintf("… %d more bytes", len(line)-end)
	}
	return head + line + tail
}
