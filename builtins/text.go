package builtins

import (
	"fmt"
	"strings"

	"dkvrun/runtime/fanout"
)

// printableLines makes text from elsewhere safe to show and keeps its lines and tabs.
func printableLines(s string) string {
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	for i, line := range lines {
		cells := strings.Split(strings.TrimSuffix(line, "\r"), "\t")
		for j, cell := range cells {
			cells[j] = fanout.Printable(cell)
		}
		lines[i] = strings.Join(cells, "\t")
	}
	return strings.Join(lines, "\n")
}

// grouped writes a number without fraction and with commas: 134,223.
func grouped(x float64) string {
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
