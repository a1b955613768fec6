package suite

import (
	"os"
	"path/filepath"
	"testing"
)

// Any text is loaded unchanged, whatever its lines contain.
func TestSnapshots_SaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a_test.lua")
	values := []string{"", "one line", "two\nlines", "ends with a line\n", "=== like a heading", `\ like an escape`, "\\=== both\n\n", "\n"}
	kept := snapshots{}
	kept.begin(Result{File: path, Name: "keeps"})
	for _, v := range values {
		name, _, known, err := kept.next()
		if err != nil || known {
			t.Fatalf("%q is known: %v", name, err)
		}
		kept.set(name, v)
	}
	if err := kept.save(); err != nil {
		t.Fatal(err)
	}
	again := snapshots{}
	again.begin(Result{File: path, Name: "keeps"})
	for _, v := range values {
		if name, got, known, err := again.next(); got != v || !known || err != nil {
			t.Errorf("%s: %q came back as %q, %v", name, v, got, err)
		}
	}
	if _, _, known, _ := again.next(); known {
		t.Error("a value is known that was never saved")
	}
}

// An unchanged value is not written.
func TestSnapshots_WrittenOnDemand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a_test.lua")
	s := snapshots{}
	s.begin(Result{File: path, Name: "keeps"})
	if _, _, _, err := s.next(); err != nil {
		t.Fatal(err)
	}
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".snap"); !os.IsNotExist(err) {
		t.Errorf("a file was written: %v", err)
	}
}
