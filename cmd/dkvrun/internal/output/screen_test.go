package output

import (
	"strings"
	"testing"
)

func TestScreen_RedrawsOverLastPicture(t *testing.T) {
	var out, side strings.Builder
	s := &Screen{err: &side, table: true, live: true, redraws: true, paint: palette(false)}
	s.out = &afterProgress{s, &out}
	s.Redraw("a 1\nb 2")
	s.Redraw("a 2\nb 3")
	s.Notice("one manager is silent")
	s.Redraw("a 3")
	s.out.Write([]byte("printed\n"))
	s.Redraw("a 4")
	want := "a 1\nb 2\n" + "\x1b[2A\x1b[Ja 2\nb 3\n" + "\x1b[3A\x1b[Ja 3\n" + "printed\n" + "\na 4\n"
	if out.String() != want {
		t.Errorf("got  %q\nwant %q", out.String(), want)
	}
}

func TestScreen_Height(t *testing.T) {
	for _, c := range []struct {
		text    string
		columns int
		want    int
	}{
		{"", 80, 1}, {"a\nb", 80, 2}, {"a\nb", 0, 2},
		{"äöü", 3, 1}, {"äöüß", 3, 2}, {"abcdefg\n\nx", 3, 5},
	} {
		if got := height(c.text, c.columns); got != c.want {
			t.Errorf("%q in %d columns: %d lines, want %d", c.text, c.columns, got, c.want)
		}
	}
}

// Without a terminal only long waits are logged, not each call of Progress.
func TestScreen_LogsLongWaits(t *testing.T) {
	var log strings.Builder
	s := &Screen{err: &log}
	look := func() { s.Progress("wait_ready: orders-2 is Joining") }
	look()
	look()
	if log.Len() > 0 {
		t.Errorf("told at once: %q", log.String())
	}
	s.nextLog = s.nextLog.Add(-firstLog)
	look()
	look()
	if got := log.String(); got != "dkvrun: wait_ready: orders-2 is Joining\n" {
		t.Errorf("after %s: %q", firstLog, got)
	}
	s.Progress("") // the next call begins another wait
	look()
	s.nextLog = s.nextLog.Add(-firstLog)
	look()
	if got := strings.Count(log.String(), "\n"); got != 2 {
		t.Errorf("%d lines, want 2", got)
	}
}
