package suite

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxLine is how much of a line is shown, in bytes, and before of it what stands before a change.
	maxLine = 400
	before  = 100
)

// visible shows in quotes what would not be seen in a line: spaces at its end, control characters.
func visible(lines []string) []string {
	shown := make([]string, len(lines))
	for i, line := range lines {
		hidden := func(r rune) bool { return r != '\t' && (unicode.IsControl(r) || r == utf8.RuneError) }
		if shown[i] = line; strings.TrimRight(line, " \t") != line || strings.ContainsFunc(line, hidden) {
			shown[i] = strconv.Quote(line)
		}
	}
	return shown
}

// shorten cuts long lines, those of two texts that stand in the same places to where they differ.
func shorten(expected, got []string) {
	for i := range max(len(expected), len(got)) {
		switch {
		case i >= len(got):
			expected[i] = excerpt(expected[i], 0)
		case i >= len(expected):
			got[i] = excerpt(got[i], 0)
		default:
			from := alike(expected[i], got[i]) - before
			expected[i], got[i] = excerpt(expected[i], from), excerpt(got[i], from)
		}
	}
}

// alike is how many bytes two texts have in common at their beginning.
func alike(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// excerpt is a line from a place on, "…" for what is left out before it and after it.
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
		line, tail = line[:end], fmt.Sprintf("… %d bytes more", len(line)-end)
	}
	return head + line + tail
}
