package catalog

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// lockAttempt makes the test binary try to open the folder that the variable names, and exit.
const lockAttempt = "DKV_TEST_OPEN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(lockAttempt); dir != "" {
		if _, err := openWithin(dir, 100*time.Millisecond, nil); err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func open(t *testing.T, dir string) *Catalog {
	t.Helper()
	c, err := Open(dir, nil)
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
		Name: "OrdersStore", Engine: "etcd", Creation: "0198f0a0-0000-7000-8000-000000000001",
		Revision: 2, Epoch: 1, Digest: wire.Digest("OrdersStore", []wire.Node{node}), Coordinator: "a",
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

func TestCatalog_KeepsStoresAndIdentity(t *testing.T) {
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

func TestCatalog_SnapshotStaysAsItIs(t *testing.T) {
	c := open(t, t.TempDir())
	add(t, c, orders())
	s := c.Snapshot()
	s.SetName("Other", func(n *Name) { n.Epoch = 7 })
	if got := c.Snapshot(); got.Name("Other").Epoch != 0 {
		t.Errorf("a change of a snapshot reached the catalog: %+v", got)
	}
	if err := c.Update(func(d *Data) error {
		s := d.Stores["OrdersStore"]
		s.Nodes[0].Host, s.Founders[0].Name, s.Managers[0].URL = "x", "x", "x"
		s.Local["orders-1"].Desired, s.Local["orders-2"].Leaving.Host = wire.DesiredStopped, "x"
		delete(s.Local, "orders-1")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := s.Stores["OrdersStore"]; !reflect.DeepEqual(got, orders()) {
		t.Errorf("a change of the catalog reached a snapshot: %+v", got)
	}
}

// A request takes a snapshot, whatever is wrong with it. It must not cost a copy of all stores.
func TestCatalog_SnapshotCopiesNoStore(t *testing.T) {
	c := open(t, t.TempDir())
	large := orders()
	large.Managers = make([]wire.Manager, 1<<16)
	add(t, c, large)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		_ = c.Snapshot()
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / 100; each > 16<<10 {
		t.Errorf("a snapshot takes %d KiB", each>>10)
	}
}

func TestCatalog_RefusedUpdateChangesNothing(t *testing.T) {
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

func TestCatalog_StartedStays(t *testing.T) {
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

func TestCatalog_ConcurrentUpdates(t *testing.T) {
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

// files returns the files of the catalog.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, name := range []string{mainFile, twinFile, previousFile} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			out[name] = text
		}
	}
	return out
}

func unchanged(t *testing.T, c *Catalog, before map[string][]byte) {
	t.Helper()
	for _, name := range []string{mainFile, twinFile} {
		if got := files(t, c.Dir())[name]; !bytes.Equal(got, before[name]) {
			t.Errorf("%s changed to %s", name, got)
		}
	}
	if got := c.Snapshot().Stores["OrdersStore"]; !reflect.DeepEqual(got, orders()) {
		t.Errorf("memory changed to %+v", got)
	}
}

func TestCatalog_RefusesSecondProcess(t *testing.T) {
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

func TestCatalog_DigestCoversStores(t *testing.T) {
	base := (&Data{Stores: map[string]*Store{"OrdersStore": orders()}}).Digest()
	for name, change := range map[string]func(*Store){
		"operation": func(s *Store) { s.Creation = "x" },
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

func TestCatalog_LeavesNoTemporaryFiles(t *testing.T) {
	c := open(t, t.TempDir())
	add(t, c, orders())
	left, err := filepath.Glob(filepath.Join(c.Dir(), "*.*.*"))
	if err != nil || len(left) != 2 { // twin and previous file
		t.Errorf("the folder holds %q (%v)", left, err)
	}
}
