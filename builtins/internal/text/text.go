// Package text formats what builtins show to people.
package text

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"dkvrun/runtime"
	"dkvrun/runtime/printable"
)

// PrintableLines makes text of other programs safe to show. It keeps line breaks and tabs.
func PrintableLines(s string) string {
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	for i, line := range lines {
		cells := strings.Split(strings.TrimSuffix(line, "\r"), "\t")
		for j, cell := range cells {
			cells[j] = printable.Line(cell)
		}
		lines[i] = strings.Join(cells, "\t")
	}
	return strings.Join(lines, "\n")
}

// DidYouMean returns "did you mean orders-2?" for a name that is like one of the names, otherwise "". It does not
// suggest a name that differs only in the number at its end: orders-4 is no misspelling of orders-1.
func DidYouMean(name string, names []string) string {
	number := func(s string) string { return s[len(strings.TrimRight(s, "0123456789")):] }
	var candidates []string
	for _, n := range names {
		if number(n) == number(name) {
			candidates = append(candidates, n)
		}
	}
	if near := runtime.Suggest(name, candidates); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

// Grouped formats a number without fraction and with commas: 134,223.
func Grouped(x float64) string {
	s := fmt.Sprintf("%.0f", x)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Few joins names. Of more than ten it shows the first ten and the number of the others.
func Few(names []string) string {
	if len(names) > 10 {
		return strings.Join(names[:10], ", ") + fmt.Sprintf(" and %d more", len(names)-10)
	}
	return strings.Join(names, ", ")
}

func OrNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// Columns aligns rows of cells; the first row is the heading. Lines have no trailing spaces.
func Columns(rows [][]string) string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
	}
	return strings.TrimSuffix(b.String(), "\n")
}
