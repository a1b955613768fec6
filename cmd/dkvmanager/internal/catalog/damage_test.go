package catalog

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/durable"
	"dkvrun/runtime/wire"
)

func TestCatalog_FailedWriteChangesNothing(t *testing.T) {
	faults := map[string]func(t *testing.T, dir string) (heal func()){
		"temporary file can't be made": func(t *testing.T, dir string) func() {
			block(t, filepath.Join(dir, mainFile+durable.TempSuffix))
			return func() { _ = os.RemoveAll(filepath.Join(dir, mainFile+durable.TempSuffix)) }
		},
		"twin can't be made": func(t *testing.T, dir string) func() {
			block(t, filepath.Join(dir, twinFile+durable.TempSuffix))
			return func() { _ = os.RemoveAll(filepath.Join(dir, twinFile+durable.TempSuffix)) }
		},
		"previous generation can't be kept": func(t *testing.T, dir string) func() {
			_ = os.Remove(filepath.Join(dir, previousFile))
			block(t, filepath.Join(dir, previousFile))
			return func() { _ = os.RemoveAll(filepath.Join(dir, previousFile)) }
		},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) { refusesAndRecovers(t, fault) })
	}
}

// TestCatalog_PartialWriteChangesNothing makes writes fail after 100 bytes, as a full disk does.
func TestCatalog_PartialWriteChangesNothing(t *testing.T) {
	if !storetest.Alone(t) {
		return
	}
	refusesAndRecovers(t, func(t *testing.T, _ string) func() { return storetest.LimitFiles(t, 100) })
}

// refusesAndRecovers checks that a failed write changes nothing, and that the next write succeeds.
func refusesAndRecovers(t *testing.T, fault func(t *testing.T, dir string) (heal func())) {
	c := open(t, t.TempDir())
	add(t, c, orders())
	heal := fault(t, c.Dir())
	before := files(t, c.Dir())
	err := c.Update(func(d *Data) error { delete(d.Stores, "OrdersStore"); return nil })
	heal()
	var refusal *wire.Result
	if !errors.As(err, &refusal) || refusal.Code != wire.CodeReadOnly || refusal.StatusCode != 503 {
		t.Errorf("got %#v, want a result with read_only, 503", err)
	}
	unchanged(t, c, before)
	if err := c.Update(func(d *Data) error { delete(d.Stores, "OrdersStore"); return nil }); err != nil {
		t.Errorf("once the disk is well again: %v", err)
	}
}

// block puts a folder that is not empty in place of a file; root can't replace it either.
func block(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(path, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
}

// TestCatalog_LostIsNeverReplaced checks that a catalog without a readable generation opens as lost, and that its files
// are not overwritten.
func TestCatalog_LostIsNeverReplaced(t *testing.T) {
	cases := map[string]struct {
		spoil func(dir string) error
		want  string
	}{
		"all files damaged": {func(dir string) error {
			return errors.Join(os.Truncate(filepath.Join(dir, mainFile), 20), os.Truncate(filepath.Join(dir, twinFile), 20),
				os.Truncate(filepath.Join(dir, previousFile), 20))
		}, "damaged and is not replaced by an empty one"},
		"pair damaged, previous missing": {func(dir string) error {
			return errors.Join(os.Truncate(filepath.Join(dir, mainFile), 20), os.Truncate(filepath.Join(dir, twinFile), 20),
				os.Remove(filepath.Join(dir, previousFile)))
		}, previousFile + " is missing"},
		"catalog gone": {func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, mainFile)), os.Remove(filepath.Join(dir, twinFile)),
				os.Remove(filepath.Join(dir, previousFile)))
		}, "has an identity and no catalog.json"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			c := open(t, t.TempDir())
			add(t, c, orders())
			_ = c.Close()
			whole := files(t, c.Dir())
			if err := test.spoil(c.Dir()); err != nil {
				t.Fatal(err)
			}
			before := files(t, c.Dir())
			identity := c.Identity()
			c = open(t, c.Dir())
			if !strings.Contains(c.Lost(), test.want) || !strings.Contains(c.Lost(), c.Dir()) || c.Identity() != identity {
				t.Errorf("lost: %q, identity %q; want %q, the folder and %q", c.Lost(), c.Identity(), test.want, identity)
			}
			seen := &Data{Stores: map[string]*Store{"OrdersStore": orders()}}
			if err := c.UseRecovered(seen); err != nil {
				t.Fatal(err)
			}
			if err := c.Update(func(*Data) error { return nil }); err != nil {
				t.Errorf("no change: %v", err)
			}
			err := c.Update(func(d *Data) error { delete(d.Stores, "OrdersStore"); return nil })
			var refusal *wire.Result
			if !errors.As(err, &refusal) || refusal.Code != wire.CodeReadOnly || refusal.StatusCode != 503 ||
				!strings.Contains(refusal.Message, test.want) {
				t.Errorf("a change: %v", err)
			}
			if got := c.Snapshot().Stores["OrdersStore"]; !reflect.DeepEqual(got, orders()) {
				t.Errorf("it shows %+v", got)
			}
			if after := files(t, c.Dir()); !reflect.DeepEqual(before, after) {
				t.Errorf("the files changed from %s to %s", before, after)
			}
			_ = c.Close()

			for name, text := range whole { // an operator restores a copy
				if err := os.WriteFile(filepath.Join(c.Dir(), name), text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if c = open(t, c.Dir()); c.Lost() != "" || len(c.Snapshot().Stores) != 1 {
				t.Errorf("with the copy: lost %q, %d stores", c.Lost(), len(c.Snapshot().Stores))
			}
		})
	}
}

func TestCatalog_RefusesToOpen(t *testing.T) {
	cases := map[string]struct {
		spoil func(dir string) error
		want  string
	}{
		"newer format": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, mainFile), []byte(`{"format":4,"content":"what a later version means"}`), 0o600)
		}, "has format 4, this dkvmanager reads up to 3"},
		"newer format of the twin": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, twinFile), []byte(`{"format":4,"content":"what a later version means"}`), 0o600)
		}, "has format 4, this dkvmanager reads up to 3"},
		"identity damaged": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, identityFile), []byte("nobody\n"), 0o600)
		}, "holds no identity"},
		"current can't be read": {func(dir string) error {
			current := filepath.Join(dir, mainFile)
			return errors.Join(os.Remove(current), os.Mkdir(current, 0o700))
		}, "is a directory"},
		"somebody's own folder": {func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, mainFile)), os.Remove(filepath.Join(dir, twinFile)),
				os.Remove(filepath.Join(dir, identityFile)), os.Mkdir(filepath.Join(dir, "photos"), 0o700))
		}, "holds photos and no catalog"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			c := open(t, t.TempDir())
			add(t, c, orders())
			_ = c.Close()
			if err := test.spoil(c.Dir()); err != nil {
				t.Fatal(err)
			}
			again, err := Open(c.Dir(), nil)
			if err == nil {
				_ = again.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), c.Dir()) {
				t.Errorf("error %q, want %q and the folder", err, test.want)
			}
		})
	}
}
