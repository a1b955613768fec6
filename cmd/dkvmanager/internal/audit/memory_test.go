package audit

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// A manager notices that the audit log of another one was written anew, also after a restart, and remembers what is
// lost. Answers that come in another order don't count.
func TestMemory_Follow(t *testing.T) {
	t.Parallel()
	head := func(number int64, hash string) wire.AuditHead { return wire.AuditHead{Number: number, Hash: hash} }
	for name, test := range map[string]struct {
		now     wire.AuditHead
		late    bool // the request was made before the last answer came
		restart bool
		lost    bool
		want    wire.AuditHead
	}{
		"it grew":                  {now: head(7, "g"), want: head(7, "g")},
		"it stayed":                {now: head(5, "e"), want: head(5, "e")},
		"it is shorter":            {now: head(4, "d"), lost: true, want: head(4, "d")},
		"its last line differs":    {now: head(5, "x"), lost: true, want: head(5, "x")},
		"an older answer":          {now: head(4, "d"), late: true, want: head(5, "e")},
		"it began anew":            {now: head(0, ""), lost: true, want: head(0, "")},
		"it grew, after a restart": {now: head(6, "f"), restart: true, want: head(6, "f")},
		"shorter, after a restart": {now: head(2, "b"), restart: true, late: true, lost: true, want: head(2, "b")},
	} {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, nil))
		dir := t.TempDir()
		m := OpenMemory(dir, logger)
		asked := time.Now()
		m.Follow("m-2", head(3, "c"), asked)
		m.Follow("m-2", head(5, "e"), time.Now())
		if test.restart {
			m.Close()
			m = OpenMemory(dir, logger)
		}
		if !test.late {
			asked = time.Now().Add(time.Second)
		}
		m.Follow("m-2", test.now, asked)
		m.Follow("m-3", head(1, "y"), asked) // another manager
		m.Close()
		got := OpenMemory(dir, logger).Of("m-2")
		if got == nil || got.Head != test.want || (got.Lost != nil) != test.lost || test.lost && *got.Lost != head(5, "e") {
			t.Errorf("%s: it remembers %+v", name, got)
		}
		if noticed := strings.Contains(log.String(), "written anew"); noticed != test.lost {
			t.Errorf("%s: noticed is %v: %s", name, noticed, &log)
		}
	}
}

// A file that can't be read is replaced, and said.
func TestMemory_Damaged(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{", "[]", `{"m-2":null}`, "null"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, memoryFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		m := OpenMemory(dir, slog.New(slog.NewTextHandler(&log, nil)))
		valid := strings.Contains(text, "null")
		if said := strings.Contains(log.String(), "can't be read"); said == valid {
			t.Errorf("%q: the log says %s", text, &log)
		}
		m.Follow("m-2", wire.AuditHead{Number: 1, Hash: "a"}, time.Now())
		m.Close()
		if got := OpenMemory(dir, slog.New(slog.DiscardHandler)).Of("m-2"); got == nil || got.Head.Number != 1 {
			t.Errorf("%q: it remembers %+v", text, got)
		}
	}
}
