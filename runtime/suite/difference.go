package suite

import "strings"

// maxCompared is how many lines of a value are compared; longer ones are shown below each other.
const maxCompared = 1000

// difference sets two texts side by side, line by line: "- " before what only the expected one has,
// "+ " before what only the other has.
func difference(expected, got string) string {
	a, b := strings.Split(expected, "\n"), strings.Split(got, "\n")
	var out strings.Builder
	write := func(mark string, lines []string) {
		for _, line := range lines {
			out.WriteString(strings.TrimRight(mark+line, " ") + "\n")
		}
	}
	out.WriteString("- expected  + got\n")
	if len(a) > maxCompared || len(b) > maxCompared {
		write("- ", a)
		write("+ ", b)
		return out.String()
	}
	common := commonSuffixes(a, b)
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			write("  ", a[i:i+1])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			write("- ", a[i:i+1])
			i++
		default:
			write("+ ", b[j:j+1])
			j++
		}
	}
	return out.String()
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
