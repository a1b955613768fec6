package audit

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func open(t *testing.T, dir string) *Log {
	t.Helper()
	l, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func add(t *testing.T, l *Log, action string) {
	t.Helper()
	if err := l.Reserve(); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(Line{Who: "dkv://user.prod/eve", Action: action, Outcome: "ok"}); err != nil {
		t.Fatal(err)
	}
}

// read returns the lines of a file, and fails the test unless each has the hash of the one before.
func read(t *testing.T, path, previous string) []Line {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []Line
	for _, line := range bytes.SplitAfter(text, []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		var l Line
		if err := json.Unmarshal(line, &l); err != nil || l.Previous != previous {
			t.Fatalf("line %d of %s: %v, previous is %s, want %s", len(out)+1, path, err, l.Previous, previous)
		}
		out, previous = append(out, l), Hash(line)
	}
	return out
}

func TestAudit_Chain(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { add(t, l, "CreateStore") })
	}
	all.Wait()
	head := l.Head()
	_ = l.Close()
	l = open(t, dir)
	if l.Head() != head || head.Number != 20 {
		t.Errorf("opened again it ends with %+v, want %+v", l.Head(), head)
	}
	add(t, l, "RemoveStore")
	lines := read(t, l.Path(), "")
	if len(lines) != 21 || lines[20].Number != 21 || lines[20].Action != "RemoveStore" {
		t.Errorf("%d lines, the last is %+v", len(lines), lines[len(lines)-1])
	}
}

// A crash leaves a part of a line. A last line that isn't one is kept for people to see.
func TestAudit_Ends(t *testing.T) {
	for end, want := range map[string]int64{`{"number":3,"prev`: 3, "": 3, "garbage\n": 1, `{"number":0}` + "\n": 1} {
		dir := t.TempDir()
		l := open(t, dir)
		add(t, l, "CreateStore")
		add(t, l, "CreateStore")
		_ = l.Close()
		f, err := os.OpenFile(l.Path(), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.WriteString(end)
		_ = f.Close()
		l = open(t, dir)
		add(t, l, "CreateStore")
		lines := read(t, l.Path(), "")
		if last := lines[len(lines)-1].Number; last != want {
			t.Errorf("%q: the next line has the number %d, want %d", end, last, want)
		}
		kept, err := os.ReadFile(l.Path() + ".damaged")
		if damaged := strings.HasSuffix(end, "\n"); damaged != (err == nil) || damaged && !strings.HasSuffix(string(kept), end) {
			t.Errorf("%q: kept %q, %v", end, kept, err)
		}
	}
}

// The chain goes on in the next file, also if nothing was written to it before the manager ended.
func TestAudit_Rotation(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	add(t, l, "CreateStore")
	for range 2 * keptFiles {
		l.mu.Lock()
		err := l.rotate()
		l.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		l = open(t, dir)
		add(t, l, "CreateStore")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != keptFiles+1 {
		t.Errorf("files %v, %v", files, err)
	}
	previous := ""
	for i := keptFiles; i >= 0; i-- {
		text, err := os.ReadFile(l.path(i))
		if err != nil {
			t.Fatal(err)
		}
		if i == keptFiles {
			var first Line
			if err := json.Unmarshal(text, &first); err != nil {
				t.Fatal(err)
			}
			previous = first.Previous
		}
		lines := read(t, l.path(i), previous)
		if len(lines) != 1 || lines[0].Number != int64(2*keptFiles+1-i) {
			t.Errorf("%s: %+v", l.path(i), lines)
		}
		previous = Hash(text)
	}
}

// A line that could not be written is missing by its number.
func TestAudit_MissingLines(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	add(t, l, "CreateStore")
	good := l.f
	closed, err := os.Open(l.Path()) // read only
	if err != nil {
		t.Fatal(err)
	}
	defer closed.Close()
	l.f = closed
	for range 2 {
		if err := l.Append(Line{Action: "Commit"}); err == nil {
			t.Error("a line was written to a file that can't be written")
		}
	}
	l.f = good
	add(t, l, "RemoveStore")
	lines := read(t, l.Path(), "")
	if len(lines) != 2 || lines[1].Number != 4 || lines[1].Missing != 2 {
		t.Errorf("got %+v", lines)
	}
}
