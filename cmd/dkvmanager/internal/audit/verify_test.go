package audit

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
)

func openReadOnly(path string) (*os.File, error) { return os.Open(path) }

// Each way of changing the log is found, with where, and what is no change isn't.
func TestVerify_Changes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change  func(lines [][]byte) [][]byte
		problem string // a part of it; empty for none
	}{
		"none": {func(l [][]byte) [][]byte { return l }, ""},
		"a word": {func(l [][]byte) [][]byte {
			l[2] = bytes.Replace(l[2], []byte("eve"), []byte("bob"), 1)
			return l
		}, "line 4 does not follow line 3: one of them was changed"},
		"a line removed":     {func(l [][]byte) [][]byte { return slices.Delete(l, 2, 3) }, "lines 3 to 3 were removed"},
		"two exchanged":      {func(l [][]byte) [][]byte { l[1], l[2] = l[2], l[1]; return l }, "lines 2 to 2 were removed"},
		"one twice":          {func(l [][]byte) [][]byte { return slices.Insert(l, 2, l[1]) }, "line 2 comes after line 2"},
		"unreadable":         {func(l [][]byte) [][]byte { l[2] = []byte("{\n"); return l }, "line 3 of audit.log can't be read"},
		"the first two":      {func(l [][]byte) [][]byte { return l[2:] }, ""}, // as a rotation does
		"a forged first":     {func(l [][]byte) [][]byte { l[0] = l[1]; return l[:1] }, ""},
		"a line without end": {func(l [][]byte) [][]byte { return append(l, []byte(`{"number":6`)) }, ""},
		"too long":           {func(l [][]byte) [][]byte { return append(l, bytes.Repeat([]byte("x"), maxLine+1)) }, "longer than any line"},
		"begins without chain": {func(l [][]byte) [][]byte {
			l[0] = bytes.Replace(l[1], []byte(`"previous":"`), []byte(`"previous":"","x":"`), 1)
			return l[:1]
		}, "is the first, and says otherwise"},
	} {
		dir := t.TempDir()
		l := open(t, dir)
		for range 5 {
			add(t, l, "CreateStore")
		}
		text, err := os.ReadFile(l.Path())
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.SplitAfter(bytes.TrimSpace(text), []byte("\n"))
		lines[4] = append(lines[4], '\n')
		if err := os.WriteFile(l.Path(), bytes.Join(test.change(lines), nil), 0o600); err != nil {
			t.Fatal(err)
		}
		report, err := Read(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(report.Problems, "; ")
		if (got == "") != (test.problem == "") || !strings.Contains(got, test.problem) {
			t.Errorf("%s: %q, want %q", name, got, test.problem)
		}
	}
}

// The chain is followed over files; a file that is missing, and one that was set aside, are found. Lines that could not
// be written are told, and are no problem.
func TestVerify_Files(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	for range 3 {
		add(t, l, "CreateStore")
		l.mu.Lock()
		err := l.rotate()
		l.missing++ // as after a line that failed
		l.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
	}
	add(t, l, "RemoveStore")
	var actions []string
	report, err := Read(dir, func(line Line, _ []byte) { actions = append(actions, line.Action) })
	if err != nil || report.Files != 4 || report.Lines != 4 || report.Last != l.Head() || len(report.Problems) > 0 ||
		len(report.Notes) != 3 || !strings.Contains(report.Notes[0], "lines 2 to 2 could not be written") || actions[3] != "RemoveStore" {
		t.Errorf("got %+v, %v, %v", report, actions, err)
	}
	if err := os.Remove(l.path(2)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.path(0)+damagedSuffix, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	report, err = Read(dir, nil)
	got := strings.Join(report.Problems, "; ")
	for _, want := range []string{"audit.log.2 is missing", "lines 2 to 3 were removed", "audit.log.damaged"} {
		if err != nil || !strings.Contains(got, want) {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	if _, err := Read(t.TempDir(), nil); !os.IsNotExist(err) && err == nil {
		t.Error("a folder without a log is accepted")
	}
}

// Whatever a file has, it is read without an end of the process, and a log that goes on in it ends with its new line.
func FuzzAudit_Read(f *testing.F) {
	dir := f.TempDir()
	l, err := Open(dir, nil)
	if err != nil {
		f.Fatal(err)
	}
	for range 3 {
		if err := l.Append(Line{Action: "CreateStore", Outcome: "ok"}); err != nil {
			f.Fatal(err)
		}
	}
	_ = l.Close()
	text, err := os.ReadFile(l.Path())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(text[:len(text)-3])
	f.Add([]byte{})
	f.Add([]byte(`{"number":-1}` + "\n"))
	f.Add([]byte(`{"number":9223372036854775807,"missing":9}` + "\n" + `{"number":1}` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		log := Log{dir: dir}
		if err := os.WriteFile(log.path(0), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(dir, func(Line, []byte) {}); err != nil {
			t.Fatal(err)
		}
		l, err := Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		before := l.Head()
		if err := l.Append(Line{Action: "RemoveStore", Outcome: "ok"}); err != nil {
			t.Fatal(err)
		}
		report, err := Read(dir, nil)
		if err != nil || report.Last != l.Head() || l.Head().Number <= before.Number && before.Number < 1<<62 {
			t.Errorf("after one more line: %+v, %v, it ends with %+v, before with %+v", report, err, l.Head(), before)
		}
	})
}
