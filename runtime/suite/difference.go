package suite

import (
	"fmt"
	"strings"
)

const (
	// maxCompared is how many lines are compared, without those that are alike at the beginning and at
	// the end; more are shown below each other.
	maxCompared = 1000
	// Next to a change are shown so many lines that are alike, and of what changed so many in a row.
	maxAlike   = 3
	maxChanged = 100
)

// stretch is what stands together in a difference, lines of one mark: '-' for what only the expected
// text has, '+' for what only the other has, ' ' for what both have.
type stretch struct {
	mark  byte
	lines []string
}

// difference sets two texts side by side, line by line: "- " before what only the expected one has,
// "+ " before what only the other has. Of long texts and long lines it shows what is around the changes.
func difference(expected, got string) string {
	parts := compared(strings.Split(expected, "\n"), strings.Split(got, "\n"))
	var out strings.Builder
	out.WriteString("- expected  + got\n")
	for i, p := range parts {
		switch {
		case p.mark == '-' && i+1 < len(parts) && parts[i+1].mark == '+':
			shorten(p.lines, parts[i+1].lines)
		case p.mark != '+' || i == 0 || parts[i-1].mark != '-':
			shorten(p.lines, nil)
		}
		if p.mark == ' ' {
			writeAlike(&out, p.lines, i == 0, i == len(parts)-1)
			continue
		}
		for _, line := range p.lines[:min(len(p.lines), maxChanged)] {
			fmt.Fprintf(&out, "%c %s\n", p.mark, line)
		}
		if more := len(p.lines) - maxChanged; more > 0 {
			fmt.Fprintf(&out, "%c … %d lines more\n", p.mark, more)
		}
	}
	return out.String()
}

// writeAlike writes lines that both texts have, where they are next to a change.
func writeAlike(out *strings.Builder, lines []string, first, last bool) {
	head, tail := maxAlike, maxAlike
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
			fmt.Fprintf(out, "  … %d lines alike\n", omitted)
		}
	}
}

// compared finds what two texts have in common.
func compared(a, b []string) []stretch {
	var parts []stretch
	add := func(mark byte, lines ...string) {
		if n := len(parts); n > 0 && parts[n-1].mark == mark {
			parts[n-1].lines = append(parts[n-1].lines, lines...)
		} else if len(lines) > 0 {
			parts = append(parts, stretch{mark, lines})
		}
	}
	head := 0
	for head < min(len(a), len(b)) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < min(len(a), len(b))-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	alike := a[len(a)-tail:]
	add(' ', a[:head:head]...)
	a, b = a[head:len(a)-tail], b[head:len(b)-tail]
	if len(a) > maxCompared || len(b) > maxCompared {
		add('-', visible(a)...)
		add('+', visible(b)...)
		add(' ', alike...)
		return parts
	}
	common := commonSuffixes(a, b)
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			add(' ', a[i])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			add('-', visible(a[i:i+1])...)
			i++
		default:
			add('+', visible(b[j:j+1])...)
			j++
		}
	}
	add(' ', alike...)
	return parts
}

// commonSuffixes tells for each i and j how many lines a[i:] and b[j:] have in common, in order.
func commonSuffixes(a, b []string) [][]int {
	table := make([][]int, len(a)+1)
	for i := range table {
		table[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				table[i][j] = table[i+1][j+1] + 1
			} else {
				table[i][j] = max(table[i+1][j], table[i][j+1])
			}
		}
	}
	return table
}
