package catalog

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"dkvrun/runtime/wire"
)

// owned returns a folder with the catalog's files of a history, and the path of a file with text.
func owned(t *testing.T, text []byte) (dir, path string) {
	t.Helper()
	main, twin := history(t)
	dir = folderOf(t, main[5], twin[5], main[4])
	if err := os.WriteFile(filepath.Join(dir, identityFile), []byte("0198f0a0-0000-7000-8000-00000000000a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "copy.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, path
}

// copyOf returns a copy of the catalog with OrdersStore of a manager at an epoch.
func copyOf(t *testing.T, manager string, epoch uint64) []byte {
	t.Helper()
	c := open(t, t.TempDir())
	s := orders()
	s.Epoch, s.Managers = epoch, []wire.Manager{{Identity: manager, URL: "http://127.23.0.11:7801"}}
	add(t, c, s)
	text, err := os.ReadFile(filepath.Join(c.Dir(), mainFile))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

const ownIdentity = "0198f0a0-0000-7000-8000-00000000000a"

// TestRestore_MarksEverything restores a copy over a whole catalog, over a damaged one and over none.
func TestRestore_MarksEverything(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"whole": func(string) error { return nil },
		"damaged": func(dir string) error {
			return errors.Join(os.Truncate(filepath.Join(dir, mainFile), 9), os.Truncate(filepath.Join(dir, twinFile), 9),
				os.Truncate(filepath.Join(dir, previousFile), 9))
		},
		"only the generation before": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, mainFile)), os.Remove(filepath.Join(dir, twinFile)))
		},
		"missing": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, mainFile)), os.Remove(filepath.Join(dir, twinFile)),
				os.Remove(filepath.Join(dir, previousFile)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, path := owned(t, copyOf(t, ownIdentity, 77))
			if err := spoil(dir); err != nil {
				t.Fatal(err)
			}
			var adopted uint64
			adopt := func(d *Data) error { adopted = d.Stores["OrdersStore"].Epoch; return nil }
			for range 2 { // a second time does no harm
				done, err := Restore(dir, path, adopt)
				if err != nil || done.Generation != 2 || done.Stores != 1 {
					t.Fatalf("got %+v, %v", done, err)
				}
			}
			if adopted != 77 {
				t.Errorf("adopt got the generation with epoch %d last", adopted)
			}
			for range 2 { // a restart does not clear the marks
				c := open(t, dir)
				d := c.Snapshot()
				if c.Lost() != "" || c.Repaired() != "" || d.Stores["OrdersStore"].Epoch != 77 || !d.SuspectNames ||
					!reflect.DeepEqual(d.SuspectStores, []string{"ordersstore"}) {
					t.Errorf("lost %q, repaired %q, %+v", c.Lost(), c.Repaired(), d)
				}
				if name == "whole" && c.Generation() != 7 { // two above that of the files
					t.Errorf("generation %d", c.Generation())
				}
				_ = c.Close()
			}
			if _, _, err := read(filepath.Join(dir, mainFile+replacedSuffix)); err != nil {
				t.Errorf("the replaced catalog: %v", err)
			}
		})
	}
}

// TestRestore_RefusesOthers checks that what can't be this manager's catalog is refused, and changes nothing.
func TestRestore_RefusesOthers(t *testing.T) {
	whole := copyOf(t, ownIdentity, 7)
	for name, c := range map[string]struct {
		text  []byte
		spoil func(dir string) error
		want  string
	}{
		"another manager's": {copyOf(t, "another", 7), nil, "the copy is of another manager"},
		"damaged":           {whole[:len(whole)/2], nil, "the copy can't be used"},
		"newer":             {[]byte(`{"format":9}`), nil, "start a newer dkvmanager"},
		"no data folder": {whole, func(dir string) error { return os.Remove(filepath.Join(dir, identityFile)) },
			"is no manager's data folder"},
	} {
		dir, path := owned(t, c.text)
		if c.spoil != nil {
			if err := c.spoil(dir); err != nil {
				t.Fatal(err)
			}
		}
		before := files(t, dir)
		if _, err := Restore(dir, path, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if !reflect.DeepEqual(files(t, dir), before) {
			t.Errorf("%s: the files have changed", name)
		}
	}
	dir, path := owned(t, whole)
	open(t, dir) // a manager runs
	if _, err := Restore(dir, path, nil); err == nil || !strings.Contains(err.Error(), "in use by another dkvmanager") {
		t.Errorf("while a manager holds the folder: %v", err)
	}
	if _, err := Restore(dir, filepath.Join(dir, "none"), nil); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("without a copy: %v", err)
	}
}

// TestFallBehind_ContinuesAboveWhatWasHeard checks that a catalog of which others have heard a later generation is
// marked once, durably, and that they hear a still later one from it.
func TestFallBehind_ContinuesAboveWhatWasHeard(t *testing.T) {
	c := open(t, t.TempDir())
	add(t, c, orders()) // generation 2
	for _, heard := range []uint64{0, 1, 2, wire.MaxGeneration + 1} {
		if behind, err := c.FallBehind(heard); behind || err != nil || c.Generation() != 2 || c.Snapshot().SuspectNames {
			t.Errorf("heard %d: %t, %v, generation %d", heard, behind, err, c.Generation())
		}
	}
	if behind, err := c.FallBehind(40); !behind || err != nil || c.Generation() != 41 {
		t.Errorf("heard 40: %t, %v, generation %d", behind, err, c.Generation())
	}
	_ = c.Close()
	c = open(t, c.Dir())
	if d := c.Snapshot(); !d.SuspectNames || !reflect.DeepEqual(d.SuspectStores, []string{"ordersstore"}) || c.Generation() != 41 {
		t.Errorf("after a restart: generation %d, %+v", c.Generation(), d)
	}
	if behind, err := c.FallBehind(41); behind || err != nil {
		t.Errorf("heard what it has: %t, %v", behind, err)
	}
}
