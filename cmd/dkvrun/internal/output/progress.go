package output

import (
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"dkvrun/runtime/printable"
)

// Progress shows text as the last line of the terminal; it replaces the previous one, and an empty text removes it.
// Without a terminal it logs long waits.
func (s *Screen) Progress(text string) {
	text = printable.Line(text)
	if !s.live {
		s.logWait(text)
		return
	}
	if text == "" && !s.progress {
		return
	}
	if columns := s.Width(); columns > 1 && utf8.RuneCountInString(text) >= columns {
		text = string([]rune(text)[:columns-2]) + "…"
	}
	fmt.Fprintf(s.err, "\r\x1b[K%s", text)
	s.progress = text != ""
}

// A wait is logged after firstLog, and again every logEvery.
const (
	firstLog = 10 * time.Second
	logEvery = time.Minute
)

func (s *Screen) logWait(text string) {
	now := time.Now()
	switch {
	case s.quiet:
	case text == "":
		s.nextLog = time.Time{}
	case s.nextLog.IsZero():
		s.nextLog = now.Add(firstLog)
	case !now.Before(s.nextLog):
		s.nextLog = now.Add(logEvery)
		fmt.Fprintf(s.err, "dkvrun: %s\n", text)
	}
}

// afterProgress removes the progress line before it writes to out.
type afterProgress struct {
	screen *Screen
	out    io.Writer
}

func (w *afterProgress) Write(b []byte) (int, error) {
	w.screen.Progress("")
	w.screen.frame = ""
	return w.out.Write(b)
}
