package output

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"dkvrun/cmd/dkvrun/internal/process"
	"dkvrun/runtime/printable"
)

// Width returns the current number of columns of the terminal, which limits a frame, or 0 for no limit.
func (s *Screen) Width() int {
	if s.terminal == nil {
		return 0
	}
	return process.Width(s.terminal)
}

// Redraw overwrites the last frame with a new one if standard output is a terminal. Otherwise it prints the new one
// below. With -o json standard output is kept for the document, and frames go to standard error.
func (s *Screen) Redraw(frame string) {
	frame = printable.Text(frame)
	if !s.table {
		s.Progress("")
		fmt.Fprintln(s.err, frame)
		return
	}
	over := ""
	if s.redraws && s.frame != "" {
		over = fmt.Sprintf("\x1b[%dA\x1b[J", height(s.frame, s.Width()))
	} else if s.tables > 0 {
		over = "\n"
	}
	s.tables++
	fmt.Fprintf(s.out, "%s%s\n", over, frame)
	s.frame = frame
}

// height returns how many lines of a terminal text takes; a line that is too wide wraps.
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
