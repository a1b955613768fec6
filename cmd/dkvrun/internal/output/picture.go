package output

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"dkvrun/cmd/dkvrun/internal/process"
)

// Width is the number of columns that a picture may take now: windows change. 0 is no limit.
func (s *Screen) Width() int {
	if s.terminal == nil {
		return 0
	}
	return process.Width(s.terminal)
}

// Redraw draws a picture over the last one, or below it where that can't be.
func (s *Screen) Redraw(picture string) {
	over := ""
	if s.redraws && s.drawn != "" {
		over = fmt.Sprintf("\x1b[%dA\x1b[J", height(s.drawn, s.Width()))
	} else if s.tables > 0 {
		over = "\n"
	}
	s.tables++
	fmt.Fprintf(s.out, "%s%s\n", over, picture)
	s.drawn = picture
}

// height is how many lines of a terminal a text takes: those that are too wide go on in the next one.
func height(text string, columns int) int {
	lines := 0
	for line := range strings.SplitSeq(text, "\n") {
		lines++
		if n := utf8.RuneCountInString(line); columns > 0 && n > columns {
			lines += (n - 1) / columns
		}
	}
	return lines
}
