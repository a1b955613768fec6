package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"dkvrun/runtime/wire"
)

// lockAttempt makes the test binary try to open the folder that it names.
const lockAttempt = "DKV_TEST_OPEN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(lockAttempt); dir != "" {
		if _, err := Open(dir); err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func open(t *testing.T, dir string) *Catalog {
	t.Helper()
	c, err := Open(dir)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func orders() *Store {
	node := wire.Node{Name: "orders-1", Host: "127.23.0.11", ClustronPort: 7811, ClientPort: 7861, Role: wire.Data, Manager: "127.23.0.11:7801"}
	gone := wire.Node{Name: "orders-2", Host: "127.23.0.11", ClustronPort: 7812, ClientPort: 7862, Role: wire.Gateway}
	return &Store{
		Name: "OrdersStore", Engine: "etcd", Operation: "0198f0a0-0000-7000-8000-000000000001",
		Revision: 2, Epoch: 1, Digest: wire.Digest("OrdersStore", []wire.Node{node}), Home: "a",
		Managers: []wire.Manager{{Identity: "a", URL: "http://127.23.0.11:7801"}},
		Founders: wire.Founders([]wire.Node{node}),
		Nodes:    []wire.Node{node},
		Local: map[string]*Local{
			"orders-1": {Desired: wire.DesiredRunning, Started: true, Bootstrapped: true},
			"orders-2": {Desired: wire.DesiredStopped, Leaving: &gone, LoseData: true},
		},
	}
}

func add(t *testing.T, c *Catalog, s *Store) {
	t.Helper()
	if err := c.Update(func(d *Data) error { d.Stores[s.Name] = s.clone(); return nil }); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func TestKeepsStoresAndIdentity(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "data")
	c := open(t, dir)
	add(t, c, orders())
	identity := c.Identity()
	_ = c.Close()

	c = open(t, dir)
	if got := c.Snapshot().Stores["OrdersStore"]; !reflect.DeepEqual(got, orders()) {
		t.Errorf("got %+v, want %+v", got, orders())
	}
	if identity == "" || c.Identity() != identity {
		t.Errorf("identity %q became %q", identity, c.Identity())
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder mode %v, %v, want 0700", info.Mode(), err)
	}
}

func TestSnapshotIsTheCallersOwn(t *testing.T) {
	c := open(t, t.TempDir())
	add(t, c, orders())
	s := c.Snapshot().Stores["OrdersStore"]
	s.Nodes[0].Host, s.Founders[0].Name, s.Managers[0].URL = "x", "x", "x"
	s.Local["orders-1"].Desired, s.Local["orders-2"].Leaving.Host = wire.DesiredStopped, "x"
	delete(s.Local, "orders-1")
	if got := c.Snapshot().Stores["OrdersStore"]; !reflect.DeepEqual(got, orders()) {
		t.Errorf("a change of a snapshot reached the catalog: %+v", got)
	}
}

func TestRefusedUpdateChangesNothing(t *testing.T) {
	c := open(t, t.TempDir())
	add(t, c, orders())
	before := files(t, c.Dir())
	refusal := errors.New("no")
	err := c.Update(func(d *Data) error { delete(d.Stores, "OrdersStore"); return refusal })
	if err != refusal {
		t.Errorf("got %v, want the error of f itself", err)
	}
	unchanged(t, c, before)
}

func TestStartedStays(t *testing.T) {
	c := open(t, t.TempDir())
	add(t, c, orders())
	desire := func(d wire.Desired) *Local {
		if err := c.Update(func(data *Data) error { data.Stores["OrdersStore"].Local["orders-2"].Desired = d; return nil }); err != nil {
			t.Fatal(err)
		}
		return c.Snapshot().Stores["OrdersStore"].Local["orders-2"]
	}
	if l := desire(wire.DesiredStopped); l.Started {
		t.Error("started before anybody asked for it")
	}
	if l := desire(wire.DesiredRunning); !l.Started {
		t.Error("asked to run, and not started")
	}
	if l := desire(wire.DesiredStopped); !l.Started {
		t.Error("stopped, and no longer known to have been started")
	}
}

func TestConcurrentUpdatesAllCount(t *testing.T) {
	c := open(t, t.TempDir())
	add(t, c, orders())
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := c.Update(func(d *Data) error { d.Stores["OrdersStore"].Epoch++; return nil }); err != nil {
				t.Error(err)
			}
			_ = c.Snapshot()
		})
	}
	all.Wait()
	if got := c.Snapshot().Stores["OrdersStore"].Epoch; got != 21 {
		t.Errorf("epoch %d after 20 updates, want 21", got)
	}
}

func TestFailedWriteChangesNothing(t *testing.T) {
	faults := map[string]func(t *testing.T, dir string) (heal func()){
		"temporary file can't be made": func(t *testing.T, dir string) func() {
			block(t, filepath.Join(dir, tempFile))
			return func() { _ = os.RemoveAll(filepath.Join(dir, tempFile)) }
		},
		"previous generation can't be kept": func(t *testing.T, dir string) func() {
			_ = os.Remove(filepath.Join(dir, previousFile))
			block(t, filepath.Join(dir, previousFile))
			return func() { _ = os.RemoveAll(filepath.Join(dir, previousFile)) }
		},
		"file ends in the middle of the write": func(t *testing.T, dir string) func() {
			signal.Ignore(unix.SIGXFSZ)
			var old unix.Rlimit
			if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
				t.Fatal(err)
			}
			if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 100, Max: old.Max}); err != nil {
				t.Fatal(err)
			}
			return func() { _ = unix.Setrlimit(unix.RLIMIT_FSIZE, &old) }
		},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
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
		})
	}
}

// block puts a folder that is not empty where a file is to go; that stops root too.
func block(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(path, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
}

// files is the text of both generations.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, name := range []string{currentFile, previousFile} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			out[name] = text
		}
	}
	return out
}

func unchanged(t *testing.T, c *Catalog, before map[string][]byte) {
	t.Helper()
	if got := files(t, c.Dir())[currentFile]; !bytes.Equal(got, before[currentFile]) {
		t.Errorf("the file on disk changed to %s", got)
	}
	if got := c.Snapshot().Stores["OrdersStore"]; !reflect.DeepEqual(got, orders()) {
		t.Errorf("memory changed to %+v", got)
	}
}

func TestDamagedCurrentFallsBackToThePrevious(t *testing.T) {
	damages := map[string]func(text []byte) []byte{
		"truncated":      func(text []byte) []byte { return text[:len(text)/2] },
		"empty":          func([]byte) []byte { return nil },
		"a bit flipped":  func(text []byte) []byte { return bytes.Replace(text, []byte("7811"), []byte("7911"), 1) },
		"zeros":          func(text []byte) []byte { return make([]byte, len(text)) },
		"another's JSON": func([]byte) []byte { return []byte(`{"stores":{}}`) },
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			c := open(t, t.TempDir())
			add(t, c, orders())
			second := orders()
			second.Name = "Other"
			add(t, c, second)
			_ = c.Close()
			current := filepath.Join(c.Dir(), currentFile)
			if err := os.WriteFile(current, damage(files(t, c.Dir())[currentFile]), 0o600); err != nil {
				t.Fatal(err)
			}

			c = open(t, c.Dir())
			stores := c.Snapshot().Stores
			if len(stores) != 1 || !reflect.DeepEqual(stores["OrdersStore"], orders()) {
				t.Errorf("got %v, want the previous generation", stores)
			}
			if !strings.Contains(c.Repaired(), damagedFile) {
				t.Errorf("Repaired says %q", c.Repaired())
			}
			add(t, c, second)
			_ = c.Close()
			if _, _, err := read(filepath.Join(c.Dir(), previousFile)); err != nil {
				t.Errorf("the whole generation was lost to the damaged one: %v", err)
			}
			if c = open(t, c.Dir()); len(c.Snapshot().Stores) != 2 || c.Repaired() != "" {
				t.Errorf("after the next write: %d stores, repaired %q", len(c.Snapshot().Stores), c.Repaired())
			}
		})
	}
}

func TestMissingCurrentFallsBackToThePrevious(t *testing.T) {
	c := open(t, t.TempDir())
	add(t, c, orders())
	_ = c.Close()
	if err := os.Rename(filepath.Join(c.Dir(), currentFile), filepath.Join(c.Dir(), previousFile)); err != nil {
		t.Fatal(err)
	}
	c = open(t, c.Dir())
	if len(c.Snapshot().Stores) != 1 || !strings.Contains(c.Repaired(), "is missing") {
		t.Errorf("%d stores, repaired %q", len(c.Snapshot().Stores), c.Repaired())
	}
}

func TestRefusesToOpen(t *testing.T) {
	cases := map[string]struct {
		spoil func(dir string) error
		want  string
	}{
		"both generations damaged": {func(dir string) error {
			return errors.Join(os.Truncate(filepath.Join(dir, currentFile), 20), os.Truncate(filepath.Join(dir, previousFile), 20))
		}, "damaged and is not replaced by an empty one"},
		"current damaged, previous missing": {func(dir string) error {
			return errors.Join(os.Truncate(filepath.Join(dir, currentFile), 20), os.Remove(filepath.Join(dir, previousFile)))
		}, previousFile + " is missing"},
		"catalog gone": {func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, currentFile)), os.Remove(filepath.Join(dir, previousFile)))
		}, "has an identity and no catalog.json"},
		"newer format": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, currentFile), []byte(`{"format":2,"content":"what a later version means"}`), 0o600)
		}, "has format 2, this dkvmanager reads up to 1"},
		"identity damaged": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, identityFile), []byte("nobody\n"), 0o600)
		}, "holds no identity"},
		"current can't be read": {func(dir string) error {
			current := filepath.Join(dir, currentFile)
			return errors.Join(os.Remove(current), os.Mkdir(current, 0o700))
		}, "is a directory"},
		"somebody's own folder": {func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, currentFile)), os.Remove(filepath.Join(dir, identityFile)), os.Mkdir(filepath.Join(dir, "photos"), 0o700))
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
			again, err := Open(c.Dir())
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

func TestSecondProcessIsRefused(t *testing.T) {
	c := open(t, t.TempDir())
	attempt := exec.Command(os.Args[0])
	attempt.Env = append(os.Environ(), lockAttempt+"="+c.Dir())
	said, err := attempt.CombinedOutput()
	if err == nil || !strings.Contains(string(said), c.Dir()+" is in use by another dkvmanager") {
		t.Errorf("a second process: %v, %s", err, said)
	}
	_ = c.Close()
	attempt = exec.Command(os.Args[0])
	attempt.Env = append(os.Environ(), lockAttempt+"="+c.Dir())
	if said, err := attempt.CombinedOutput(); err != nil {
		t.Errorf("after Close: %v, %s", err, said)
	}
}

// TestFormat1 loads what version 0.1.0 wrote. The fixture is never written anew.
func TestFormat1(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "format1.json"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, currentFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
	c := open(t, dir)
	if got := c.Snapshot().Stores["OrdersStore"]; !reflect.DeepEqual(got, orders()) {
		t.Errorf("got %+v, want %+v", got, orders())
	}
	again, err := json.Marshal(c.Snapshot())
	if err != nil || !bytes.Equal(again, c.payload) {
		t.Errorf("it would be written as %s (%v), the fixture has %s: that is another format", again, err, c.payload)
	}
}

func TestDigestCoversWhatStoresAre(t *testing.T) {
	base := (&Data{Stores: map[string]*Store{"OrdersStore": orders()}}).Digest()
	for name, change := range map[string]func(*Store){
		"operation": func(s *Store) { s.Operation = "x" },
		"revision":  func(s *Store) { s.Revision++ },
		"digest":    func(s *Store) { s.Digest = "x" },
		"name":      func(s *Store) { s.Name = "x" },
	} {
		s := orders()
		change(s)
		if (&Data{Stores: map[string]*Store{s.Name: s}}).Digest() == base {
			t.Errorf("another %s has the same digest", name)
		}
	}
	s := orders()
	s.Local["orders-1"].Desired = wire.DesiredStopped
	if (&Data{Stores: map[string]*Store{s.Name: s}}).Digest() != base {
		t.Error("what is local to one server is in the digest")
	}
}

func TestNewFolderLeavesNoTemporaryFiles(t *testing.T) {
	c := open(t, t.TempDir())
	add(t, c, orders())
	for _, name := range []string{tempFile, linkFile, identityFile + ".tmp"} {
		if _, err := os.Stat(filepath.Join(c.Dir(), name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s stayed", name)
		}
	}
}
