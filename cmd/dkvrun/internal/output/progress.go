package output

import (
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

// Progress keeps one line on the terminal that says what is being waited for. Elsewhere it tells of long
// waits, now and then.
func (s *Screen) Progress(text string) {
	if !s.live {
		s.tell(text)
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

// A log says after firstTold what a run waits for, and again every toldEvery.
const (
	firstTold = 10 * time.Second
	toldEvery = time.Minute
)

func (s *Screen) tell(text string) {
	now := time.Now()
	switch {
	case s.quiet:
	case text == "":
		s.due = time.Time{}
	case s.due.IsZero():
		s.due = now.Add(firstTold)
	case !now.Before(s.due):
		s.due = now.Add(toldEvery)
		fmt.Fprintf(s.err, "dkvrun: %s\n", text)
	}
}

// afterProgress takes the line of progress away before anything is printed.
type afterProgress struct {
	screen *Screen
	out    io.Writer
}

func (w *afterProgress) Write(b []byte) (int, error) {
	w.screen.Progress("")
	w.screen.drawn = ""
	return w.out.Write(b)
}
