package durable

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func newPair(dir string) Pair {
	at := func(name string) string { return filepath.Join(dir, name) }
	return Pair{Main: at("main"), Twin: at("twin"), Previous: at("previous")}
}

func (p Pair) holds(t *testing.T, when, main, twin, previous string) {
	t.Helper()
	if got := [3]string{read(t, p.Main), read(t, p.Twin), read(t, p.Previous)}; got != [3]string{main, twin, previous} {
		t.Errorf("%s: the files hold %q, want %q", when, got, [3]string{main, twin, previous})
	}
}

func TestPair_Replace(t *testing.T) {
	p := newPair(t.TempDir())
	previous := ""
	for _, text := range []string{"one", "two", "three"} {
		must(t, p.Replace([]byte(text), []byte("twin of "+text), Options{Mode: 0o600}))
		p.holds(t, text, text, "twin of "+text, previous)
		previous = text
	}
	if got := names(t, filepath.Dir(p.Main)); got != "main previous twin" {
		t.Errorf("the folder holds %s", got)
	}
}

// A failure at any step leaves the old contents of both files, or none, and no temporary file. The next Replace works.
func TestPair_FailsAtEachStep(t *testing.T) {
	for _, existed := range []bool{true, false} {
		for _, c := range []struct {
			place string
			step  Step
		}{{"written", StepWrite}, {"synced", StepSync}, {"renamed", StepSyncFolder}} {
			p := newPair(t.TempDir())
			want, folder := [2]string{}, ""
			if existed {
				must(t, p.Replace([]byte("a"), []byte("A"), Options{Mode: 0o600}))
				must(t, p.Replace([]byte("b"), []byte("B"), Options{Mode: 0o600}))
				want, folder = [2]string{"b", "B"}, "main previous twin"
			}
			err := p.Replace([]byte("c"), []byte("C"), Options{Mode: 0o600, Failpoint: failAt(c.place)})
			var failed *Error
			if !errors.As(err, &failed) || failed.Step != c.step || !errors.Is(err, syscall.ENOSPC) || failed.Unknown {
				t.Errorf("%s: %#v", c.place, err)
			}
			if got := [2]string{read(t, p.Main), read(t, p.Twin)}; got != want || names(t, filepath.Dir(p.Main)) != folder {
				t.Errorf("%s: the files hold %q, want %q; the folder has %s", c.place, got, want, names(t, filepath.Dir(p.Main)))
			}
			must(t, p.Replace([]byte("d"), []byte("D"), Options{Mode: 0o600}))
			p.holds(t, c.place, "d", "D", want[0])
		}
	}
}

// The error says so if the old contents could not be put back durably.
func TestPair_PutBackFails(t *testing.T) {
	p := newPair(t.TempDir())
	must(t, p.Replace([]byte("a"), []byte("A"), Options{Mode: 0o600}))
	err := p.Replace([]byte("b"), []byte("B"), Options{Mode: 0o600, Failpoint: failAt("renamed", "restored")})
	var failed *Error
	if !errors.As(err, &failed) || !failed.Unknown || failed.Step != StepSyncFolder {
		t.Errorf("got %#v", err)
	}
}

// The system can refuse each of the files.
func TestPair_SystemRefuses(t *testing.T) {
	for name, step := range map[string]Step{
		"main.tmp": StepWrite, "twin.tmp": StepWrite, "previous": StepKeep, "previous.tmp": StepKeep, "twin.held": StepKeep,
	} {
		p := newPair(t.TempDir())
		must(t, p.Replace([]byte("a"), []byte("A"), Options{Mode: 0o600}))
		must(t, os.MkdirAll(filepath.Join(filepath.Dir(p.Main), name, "x"), 0o700))
		err := p.Replace([]byte("b"), []byte("B"), Options{Mode: 0o600})
		var failed *Error
		if !errors.As(err, &failed) || failed.Step != step || failed.Unknown || read(t, p.Main) != "a" || read(t, p.Twin) != "A" {
			t.Errorf("%s: %v, want a failed %s; the files hold %q and %q", name, err, step, read(t, p.Main), read(t, p.Twin))
		}
	}
	for _, name := range []string{"main", "twin"} { // a folder stands in the place of a file of the pair
		p := newPair(t.TempDir())
		must(t, os.MkdirAll(filepath.Join(filepath.Dir(p.Main), name, "x"), 0o700))
		if err := p.Replace([]byte("b"), []byte("B"), Options{Mode: 0o600}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
