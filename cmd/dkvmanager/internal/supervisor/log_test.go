package supervisor

import (
	"os"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

func TestLog_LastLines(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	if text, err := s.Log("Orders", "orders-1", 5); err != nil || len(text) != 0 {
		t.Errorf("log before the first start: %q, %v", text, err)
	}
	c.start("Orders")
	c.waitAllReady("Orders", 10*time.Second)
	text, err := s.Log("Orders", "orders-1", 1)
	if err != nil || strings.Count(string(text), "\n") != 1 || !strings.Contains(string(text), "ready") {
		t.Errorf("last line %q, %v", text, err)
	}
}

func TestLog_Tail(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := folder + "/" + engine.LogFile
	for _, test := range []struct {
		text  string
		lines int
		want  string
	}{
		{"", 3, ""},
		{"a\nb\nc\n", 1, "c\n"},
		{"a\nb\nc\n", 2, "b\nc\n"},
		{"a\nb\nc\n", 3, "a\nb\nc\n"},
		{"a\nb\nc\n", 9, "a\nb\nc\n"},
		{"a\nb", 1, "b"},
		{"a\n\n", 1, "\n"},
	} {
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := tail(folder, test.lines); err != nil || string(got) != test.want {
			t.Errorf("last %d of %q: %q, %v; want %q", test.lines, test.text, got, err, test.want)
		}
	}

	old := folder + "/" + engine.OldLogFile
	for _, test := range []struct {
		before, text string
		lines        int
		want         string
	}{
		{"a\nb\n", "c\n", 1, "c\n"},
		{"a\nb\n", "c\n", 2, "b\nc\n"},
		{"a\nb\n", "c\n", 9, "a\nb\nc\n"},
		{"a\nb\n", "", 1, "b\n"},
	} {
		if err := os.WriteFile(old, []byte(test.before), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := tail(folder, test.lines); err != nil || string(got) != test.want {
			t.Errorf("last %d of %q and %q: %q, %v; want %q", test.lines, test.before, test.text, got, err, test.want)
		}
	}

	long := strings.Repeat(strings.Repeat("x", 99)+"\n", 2*maxTail/100)
	if err := os.WriteFile(path, []byte(long), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := tail(folder, 1<<30)
	if err != nil || len(got) > maxTail || len(got) < maxTail-100 || len(got)%100 != 0 {
		t.Errorf("all of a long log: %d bytes, %v; want whole lines, about %d", len(got), err, maxTail)
	}
}
