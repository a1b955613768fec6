package access

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"dkvrun/runtime/identity"
)

func (f *File) mustAdd(c *cluster, entries ...Entry) {
	for _, e := range entries {
		must(f.Add(func(l *Log) (Entry, error) { return l.Prepare(e, c.root, now) }, now))
	}
}

// open opens the log in a folder, and closes it with the test.
func open(t *testing.T, dir string, c *cluster) *File {
	t.Helper()
	f, err := Open(dir, []Hash{hashOf(c.root)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func names(dir string) string {
	var out []string
	for _, e := range must(os.ReadDir(dir)) {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

func TestFile_Reopen(t *testing.T) {
	dir := t.TempDir()
	c := newCluster()
	f := must(Create(dir, c.copy().Log))
	f.mustAdd(c, revoked("1", "2")...)
	line := must(f.log.Prepare(Entry{Kind: Revoke, Serial: "3"}, c.admin, now))
	if _, err := f.Append(line.encode(), now); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Append(line.encode(), now); err == nil {
		t.Error("a line is taken twice")
	}
	head := f.Heads()[0]
	if mode := must(os.Stat(filepath.Join(dir, logFile))).Mode().Perm(); mode != 0o600 {
		t.Errorf("the file has mode %04o", mode)
	}
	must(0, f.Close())
	if _, err := f.Append(line.encode(), now); err == nil {
		t.Error("a closed file takes a line")
	}
	again := open(t, dir, c)
	if again.Heads()[0] != head || head.Number != 5 || !again.State().Revoked["3"] || again.Torn() != 0 {
		t.Errorf("got %+v, want %+v", again.Heads(), head)
	}
	again.mustAdd(c, revoked("4")...)
	if n := open(t, dir, c).State().Number; n != 6 {
		t.Errorf("%d lines are on disk", n)
	}
	if _, err := Create(dir, c.Log); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	if _, err := Open(t.TempDir(), []Hash{hashOf(c.root)}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// A crash while a line is written leaves a part of it, which was never acknowledged.
func TestFile_TornLine(t *testing.T) {
	dir := t.TempDir()
	c := newCluster()
	f := must(Create(dir, c.copy().Log))
	must(0, f.Close())
	path := filepath.Join(dir, logFile)
	whole := must(os.ReadFile(path))
	line := must(c.Prepare(Entry{Kind: Revoke, Serial: "1"}, c.root, now)).encode()
	for n := 1; n <= len(line); n++ {
		if n%23 != 1 && n < len(line)-3 {
			continue
		}
		must(0, os.WriteFile(path, append(slices.Clone(whole), line[:n]...), 0o600))
		f, err := Open(dir, []Hash{hashOf(c.root)})
		if err != nil {
			t.Fatalf("%d bytes of the line: %v", n, err)
		}
		want, torn := int64(2), n
		if n >= len(line)-1 { // all but its end
			want, torn = 3, 0
		}
		if f.State().Number != want || f.Torn() != torn {
			t.Errorf("%d bytes of the line: %d lines, %d bytes removed", n, f.State().Number, f.Torn())
		}
		f.mustAdd(c, revoked("2")...)
		must(0, f.Close())
		if text := must(os.ReadFile(path)); int64(bytes.Count(text, []byte("\n"))) != want+1 || text[len(text)-1] != '\n' {
			t.Errorf("%d bytes of the line: the file ends with %q", n, text[len(text)-20:])
		}
	}
	// Zeros at the end, as some file systems leave them.
	must(0, os.WriteFile(path, append(slices.Clone(whole), make([]byte, 300)...), 0o600))
	if f := open(t, dir, c); f.State().Number != 2 || f.Torn() != 300 {
		t.Errorf("zeros: %d lines, %d bytes removed", f.State().Number, f.Torn())
	}
}

func TestFile_Damage(t *testing.T) {
	dir := t.TempDir()
	c := newCluster()
	c.mustAdd(revoked("1", "2")...)
	must(0, must(Create(dir, c.copy().Log)).Close())
	path := filepath.Join(dir, logFile)
	whole := must(os.ReadFile(path))
	lines := bytes.SplitAfter(whole, []byte("\n"))[:4]
	change := func(n int) []byte {
		changed := slices.Clone(lines)
		changed[n] = bytes.Replace(changed[n], []byte(`"kind":"`), []byte(`"kind":"x`), 1)
		return bytes.Join(changed, nil)
	}
	for name, x := range map[string]struct {
		text []byte
		line int64
		last bool
		want string
	}{
		"first line":     {change(0), 1, false, "is damaged in the middle: line 1 of the access log has the unknown kind"},
		"middle":         {change(2), 3, false, "is damaged in the middle: line 3"},
		"last":           {change(3), 4, true, "is damaged at its end: line 4"},
		"a line is gone": {slices.Concat(lines[0], lines[1], lines[3]), 3, true, "has the number 4"},
		"zeros inside": {append(slices.Concat(lines[0], lines[1]),
			append(make([]byte, 40), slices.Concat([]byte("\n"), lines[3])...)...), 3, false, "can't be read"},
		"the end is gone":  {bytes.Replace(whole, []byte("\n"), []byte(" "), 1), 1, false, "line 1"},
		"empty":            {nil, 1, true, "is empty"},
		"another cluster":  {newCluster().main.lines(1, maxBytes), 1, false, "another authority"},
		"only a torn line": {lines[0][:50], 1, false, "is empty"},
	} {
		must(0, os.WriteFile(path, x.text, 0o600))
		_, err := Open(dir, []Hash{hashOf(c.root)})
		var d *DamageError
		if !errors.As(err, &d) || d.Line != x.line || d.Last != x.last || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: got %v, %+v", name, err, d)
		}
		if now := must(os.ReadFile(path)); !bytes.Equal(now, x.text) {
			t.Errorf("%s: the file was changed", name)
		}
	}
	must(0, SetAside(dir))
	if got := names(dir); got != damagedFile {
		t.Errorf("the folder holds %s", got)
	}
	// Pulled anew.
	f := must(Create(dir, must(Read(c.main.lines(1, maxBytes), []Hash{hashOf(c.root)}))))
	must(0, f.Close())
	if n := open(t, dir, c).State().Number; n != 4 {
		t.Errorf("%d lines", n)
	}
	must(0, os.Truncate(path, maxBytes+1))
	if _, err := Open(dir, []Hash{hashOf(c.root)}); err == nil || !strings.Contains(err.Error(), "has at most") {
		t.Errorf("got %v", err)
	}
}

// Branches are on disk too, and still restrict what is allowed after a restart.
func TestFile_Forks(t *testing.T) {
	dir := t.TempDir()
	a, b := fork([]Entry{{Kind: Revoke, Subject: uri(identity.User, "root")}}, revoked("1", "2"))
	f := must(Create(dir, a.copy().Log))
	change := must(f.Merge(b.main.lines(b.State().Number-1, maxBytes), now))
	if !change.Replaced || !change.Forked || change.Lines != 2 {
		t.Errorf("got %+v", change)
	}
	check := func(f *File, where string) {
		t.Helper()
		if s := f.State(); s.Head != b.State().Head || len(s.Forks) != 1 ||
			s.Grants[uri(identity.User, "root")].Role != "" || !s.Revoked["2"] {
			t.Errorf("%s: got %d lines, the forks %+v, the grants %v", where, s.Number, s.Forks, s.Grants)
		}
	}
	check(f, "before")
	must(0, f.Close())
	if got := names(dir); !strings.HasPrefix(got, "access-fork-") || len(strings.Fields(got)) != 2 {
		t.Errorf("the folder holds %s", got)
	}
	f = open(t, dir, a)
	check(f, "after")
	f.mustAdd(a, revoked("3")...)
	f.mustAdd(a, Entry{Kind: Settle, Of: f.State().Forks[0].Theirs})
	if s := f.State(); len(s.Forks) != 0 || s.Grants[uri(identity.User, "root")].Role != identity.Admin {
		t.Errorf("settled: got the forks %v, the grants %v", s.Forks, s.Grants)
	}
	if got := names(dir); got != logFile {
		t.Errorf("the folder holds %s", got)
	}
	if s := open(t, dir, a).State(); s.Number != 9 || len(s.Forks) != 0 {
		t.Errorf("got %d lines, the forks %v", s.Number, s.Forks)
	}
}

// A crash between the writing of the branch and that of the log loses nothing: the branch is a part of the log.
func TestFile_CrashBetweenFiles(t *testing.T) {
	dir := t.TempDir()
	a, b := fork(revoked("1"), revoked("2", "3"))
	path := filepath.Join(dir, logFile)
	f := must(Create(dir, a.copy().Log))
	before := must(os.ReadFile(path))
	must(f.Merge(b.main.lines(1, maxBytes), now))
	must(0, f.Close())
	must(0, os.WriteFile(path, before, 0o600))
	f = open(t, dir, a)
	if s := f.State(); s.Head != a.State().Head || len(s.Forks) != 0 {
		t.Errorf("got line %d, the forks %v", s.Number, s.Forks)
	}
	must(f.Merge(b.main.lines(1, maxBytes), now))
	if s := open(t, dir, a).State(); s.Head != b.State().Head || len(s.Forks) != 1 {
		t.Errorf("got line %d, the forks %v", s.Number, s.Forks)
	}
	// A branch that can't be read is told: without it more would be allowed.
	forks := f.forkFiles()
	must(0, os.WriteFile(forks[0], []byte("x\n"), 0o600))
	var d *DamageError
	if _, err := Open(dir, []Hash{hashOf(a.root)}); !errors.As(err, &d) || d.Path != forks[0] {
		t.Errorf("got %v", err)
	}
}

// After a failed write the file is as it was, and the line doesn't count.
func TestFile_WriteFails(t *testing.T) {
	dir := t.TempDir()
	c := newCluster()
	f := must(Create(dir, c.copy().Log))
	f.mustAdd(c, revoked("1")...)
	good := f.f
	f.f = must(os.Open(filepath.Join(dir, logFile))) // can't be written
	defer f.f.Close()
	add := func(l *Log) (Entry, error) { return l.Prepare(Entry{Kind: Revoke, Serial: "2"}, c.root, now) }
	_, err := f.Add(add, now)
	if err == nil || f.State().Revoked["2"] || f.State().Number != 3 {
		t.Errorf("got %v, %d lines", err, f.State().Number)
	}
	if _, again := f.Add(add, now); again == nil || !strings.Contains(again.Error(), "can't be brought back") {
		t.Errorf("a file that couldn't be brought back takes more: %v", again)
	}
	f.f, f.failed = good, nil
	if s := open(t, dir, c).State(); s.Number != 3 {
		t.Errorf("%d lines are on disk", s.Number)
	}
}

// Two managers that serve, write and pull at the same time.
func TestFile_Concurrent(t *testing.T) {
	c := newCluster()
	a, b := must(Create(t.TempDir(), c.copy().Log)), must(Create(t.TempDir(), c.copy().Log))
	defer a.Close()
	defer b.Close()
	pull := func(to, from *File) {
		fetch := func(head Hash, number int64) ([]byte, error) {
			lines, _ := from.Lines(head, number)
			return lines, nil
		}
		must(0, to.Pull(from.Heads(), fetch, now))
	}
	var all sync.WaitGroup
	all.Go(func() {
		for n := range 10 {
			a.mustAdd(c, revoked(fmt.Sprintf("f%d", n))...)
		}
	})
	all.Go(func() {
		for range 20 {
			pull(b, a)
			if s := b.State(); s.Number < 2 || len(s.Forks) > 0 {
				t.Errorf("got %d lines, the forks %v", s.Number, s.Forks)
			}
		}
	})
	all.Wait()
	pull(b, a)
	if a.Heads()[0] != b.Heads()[0] || b.State().Number != 12 {
		t.Errorf("got %+v and %+v", a.Heads(), b.Heads())
	}
}

func FuzzFile_Open(f *testing.F) {
	c := newCluster()
	c.mustAdd(revoked("1", "2")...)
	text := c.main.lines(1, maxBytes)
	f.Add([]byte{})
	f.Add([]byte{4, 4, 0, 0})
	f.Fuzz(func(t *testing.T, edits []byte) {
		changed := edited(text, edits)
		dir := t.TempDir()
		must(0, os.WriteFile(filepath.Join(dir, logFile), changed, 0o600))
		file, err := Open(dir, []Hash{hashOf(c.root)})
		if err != nil {
			return
		}
		defer file.Close()
		if !c.Knows(file.Heads()[0]) {
			t.Errorf("a log that nobody signed is taken: %q", changed)
		}
		file.mustAdd(c, Entry{Kind: Revoke, Serial: "9"})
		again, err := Open(dir, []Hash{hashOf(c.root)})
		if err != nil {
			t.Fatalf("it can't be read again: %v", err)
		}
		defer again.Close()
		if again.Heads()[0] != file.Heads()[0] {
			t.Error("read again it is another log")
		}
	})
}
