package supervisor

import (
	"os"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

func TestLog_LastMessage(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "",
		"one\ntwo\n":          "two",
		"panic: old\n\nlater": "later",
		"warn: disk\npanic: write x: no space left on device\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:21 +0xff\n":                                      "panic: write x: no space left on device",
		"t\tPANIC\tfailed to create WAL\t{\"error\": \"no space left on device\"}\npanic: failed to create WAL\n\ngoroutine 1 [running]:\n\t/src/main.go:21 +0xff\n": "failed to create WAL: no space left on device",
		"t\tERROR\tlistening\t{\"error\": \"address already in use\", \"n\": 1}\n":                                                                                   "listening: address already in use",
		"t\tWARN\tslow disk\n": "slow disk",
		"t\tINFO\tready\n":     "", // killed: the log has no reason
		"goroutine 1 [running]:\n\t/src/main.go:21 +0xff\n": "/src/main.go:21 +0xff",
	} {
		if got := lastMessage(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

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

	long := strings.Repeat(strings.Repeat("x", 99)+"\n", 2*maxTail/100)
	if err := os.WriteFile(path, []byte(long), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := tail(folder, 1<<30)
	if err != nil || len(got) > maxTail || len(got) < maxTail-100 || len(got)%100 != 0 {
		t.Errorf("all of a long log: %d bytes, %v; want whole lines, about %d", len(got), err, maxTail)
	}
}

func TestLog_RotatesAtStart(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := folder + "/" + engine.LogFile
	if err := os.WriteFile(path, make([]byte, maxLog+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second log is short
		f, err := openLog(folder)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("new\n"); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "new\nnew\n" {
		t.Errorf("log %q, %v", text, err)
	}
	if info, err := os.Stat(path + ".1"); err != nil || info.Size() != maxLog+1 {
		t.Errorf("old log: %v, %v", info, err)
	}
}
