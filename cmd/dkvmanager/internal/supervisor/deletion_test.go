package supervisor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/wire"
)

func TestSupervisor_DeletesWhatWasRemovedBeforeACrash(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 2))
	c.create("Stock", []wire.Node{s.node("stock-1", 5)})
	c.start("Orders")
	c.start("Stock")
	c.waitAllReady("Orders", 10*time.Second)
	c.waitAllReady("Stock", 10*time.Second)
	all := c.instances("Orders")
	stock := s.instance("Stock", "stock-1")

	// The manager crashes after the catalog has dropped the store, before the supervisor is notified.
	s.crash(func(d *catalog.Data) { d.RemoveStore("Orders") })
	s.open()
	storetest.Wait(t, 10*time.Second, func() (bool, string) {
		_, err := os.Stat(filepath.Join(s.opts.Dir, "Orders"))
		return os.IsNotExist(err), "the folder of the dropped store is there"
	})
	for _, in := range all {
		if alive(in.PID) {
			t.Errorf("%s of the dropped store runs", in.Name)
		}
	}
	if now := s.instance("Stock", "stock-1"); now.PID != stock.PID {
		t.Errorf("the other store's instance has pid %d, want %d as before", now.PID, stock.PID)
	}
}

func TestDeletion_FolderOfEarlierStore(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	c.start("Orders")
	c.waitAllReady("Orders", 10*time.Second)
	storetest.Put(t, c.node("Orders", "orders-1"), "k", "old")
	pid := s.instance("Orders", "orders-1").PID
	s.change(func(d *catalog.Data) {
		again := *d.Stores["Orders"]
		again.Creation = "op-2"
		again.Local = map[string]*catalog.Local{"orders-1": {Desired: wire.DesiredRunning}}
		d.RemoveStore("Orders")
		d.Stores["Orders"] = &again
	})
	storetest.Wait(t, 10*time.Second, func() (bool, string) {
		now := s.instance("Orders", "orders-1")
		return now.Ready && now.PID != pid, describe([]wire.Instance{now})
	})
	if v := storetest.Get(t, c.node("Orders", "orders-1"), "k"); v != "" {
		t.Errorf("the new store has the old one's value %q", v)
	}
}

func TestDeletion_RemovedStore(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 2))
	c.start("Orders")
	all := c.instances("Orders")
	if err := s.catalog.Update(func(d *catalog.Data) error { d.RemoveStore("Orders"); return nil }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Remove(ctx, "Orders"); err != nil {
		t.Fatal(err)
	}
	for _, in := range all {
		if alive(in.PID) {
			t.Errorf("%s runs", in.Name)
		}
	}
	if _, err := os.Stat(filepath.Join(s.opts.Dir, "Orders")); !os.IsNotExist(err) {
		t.Errorf("the store's folder is there: %v", err)
	}
	if _, err := s.Start(ctx, "Orders", "orders-1"); code(err) != wire.CodeStoreNotFound {
		t.Errorf("start in a removed store: %v", err)
	}
}

func TestSpawn_SecondNeverRuns(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	c.start("Orders")
	before := s.instance("Orders", "orders-1")
	// The state after a crash directly after the spawn: a second process for the same folder.
	second, err := s.opts.spawn(s.folder(place{"Orders", "orders-1"}))
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-second.done:
	case <-time.After(10 * time.Second):
		t.Fatal("two processes in one folder")
	}
	if now := s.instance("Orders", "orders-1"); now.PID != before.PID || now.Status != wire.Running {
		t.Errorf("%s, want pid %d running", describe([]wire.Instance{now}), before.PID)
	}
}

func TestSpec_WrittenWhole(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "Orders", "orders-1")
	want := engine.Spec{Store: "Orders", Instance: "orders-1", Start: engine.Join, Peers: []engine.Peer{{Name: "a", Address: "b:1"}}}
	if err := writeSpec(folder, &want); err != nil {
		t.Fatal(err)
	}
	got, err := readSpec(folder)
	if err != nil || got.Instance != want.Instance || got.Start != want.Start || len(got.Peers) != 1 {
		t.Errorf("read back %+v, %v", got, err)
	}
	info, err := os.Stat(folder)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder mode %v, %v; want 0700", info.Mode(), err)
	}
	if got, err := readSpec(t.TempDir()); got != nil || err != nil {
		t.Errorf("spec of an empty folder: %v, %v", got, err)
	}
}

// The manager crashes directly after the spawn; the next manager may look before the process has taken the lock.
func TestSpawn_JustBeforeCrash(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	n := c.node("Orders", "orders-1")
	folder := s.folder(place{"Orders", "orders-1"})
	s.crash(func(d *catalog.Data) { d.Stores["Orders"].Local["orders-1"].Desired = wire.DesiredRunning })
	spec := &engine.Spec{Store: "Orders", Instance: n.Name, Operation: "op-Orders", Role: wire.Data, Bind: n.Host, Host: n.Host,
		ClustronPort: n.ClustronPort, ClientPort: n.ClientPort, Start: engine.Found, DataDir: dataDir("op-Orders"),
		Peers: []engine.Peer{{Name: n.Name, Address: clusterAddress(n)}}}
	if err := writeSpec(folder, spec); err != nil {
		t.Fatal(err)
	}
	if _, err := s.opts.spawn(folder); err != nil {
		t.Fatal(err)
	}
	s.open()
	c.waitAllReady("Orders", 10*time.Second)
	pid := s.instance("Orders", "orders-1").PID
	storetest.Wait(t, 10*time.Second, func() (bool, string) {
		pids := processesOf(t, folder)
		return slices.Equal(pids, []int{pid}), fmt.Sprintf("processes %v for one instance, which is %d", pids, pid)
	})
}

// processesOf returns the processes that were started for a folder.
func processesOf(t *testing.T, folder string) []int {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, path := range lines {
		line, err := os.ReadFile(path)
		if err != nil || !slices.Contains(strings.Split(string(line), "\x00"), folder) {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(path, "/")[2])
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// restoredCopy crashes the manager and restores the catalog that the server had before f.
func (s *server) restoredCopy(f func()) {
	s.t.Helper()
	copied := filepath.Join(s.t.TempDir(), "catalog.json")
	text, err := os.ReadFile(filepath.Join(s.dir, "catalog.json"))
	if err == nil {
		err = os.WriteFile(copied, text, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	f()
	s.crash(func(*catalog.Data) {})
	if _, err := catalog.Restore(s.dir, copied, nil); err != nil {
		s.t.Fatal(err)
	}
	s.open()
}

// A catalog that doesn't know a store may be an older copy: the store's process and data stay.
func TestSupervisor_KeepsFoldersThatTheCatalogDoesNotKnow(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Stock", []wire.Node{s.node("stock-1", 5)})
	var before wire.Instance
	s.restoredCopy(func() {
		c.create("Orders", c.spread("orders", 1, 1))
		c.start("Orders")
		c.waitAllReady("Orders", 10*time.Second)
		storetest.Put(t, c.node("Orders", "orders-1"), "k", "v")
		before = s.instance("Orders", "orders-1")
		endLater(t, before.PID)
	})
	// A start, a change, a removal and a stop must all leave the folder.
	s.mustStart("Stock", "stock-1")
	s.change(func(d *catalog.Data) { d.RemoveStore("Stock") })
	storetest.Wait(t, 10*time.Second, func() (bool, string) {
		_, err := os.Stat(s.folder(place{"Stock", "stock-1"}))
		return os.IsNotExist(err), "the folder of the removed store is there"
	})
	if !alive(before.PID) {
		t.Fatal("the process of a store that the catalog doesn't know was ended")
	}
	if v := storetest.Get(t, c.node("Orders", "orders-1"), "k"); v != "v" {
		t.Errorf("the store has %q, want v", v)
	}
	// Once the catalog knows the store again, the process is adopted.
	c.createAs("Orders", "op-Orders", catalog.Local{Desired: wire.DesiredRunning, Bootstrapped: true}, c.spread("orders", 1, 1))
	storetest.Wait(t, 10*time.Second, func() (bool, string) {
		now := s.instance("Orders", "orders-1")
		return now.Ready && now.PID == before.PID, describe([]wire.Instance{now})
	})
}

// A store of the same name whose removal the catalog doesn't record keeps its folder, and its process goes on running.
func TestSupervisor_KeepsTheFolderOfAnotherStoreOfThatName(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	var before wire.Instance
	s.restoredCopy(func() {
		c.create("Orders", c.spread("orders", 1, 1))
		c.start("Orders")
		c.waitAllReady("Orders", 10*time.Second)
		storetest.Put(t, c.node("Orders", "orders-1"), "k", "old")
		before = s.instance("Orders", "orders-1")
		endLater(t, before.PID)
	})
	old := c.node("Orders", "orders-1")
	stopped := catalog.Local{Desired: wire.DesiredStopped}
	c.createAs("Orders", "op-2", stopped, []wire.Node{s.node("orders-1", 3)})
	_, err := s.Start(context.Background(), "Orders", "orders-1")
	if code(err) != wire.CodeUnknownFolder || !strings.Contains(err.Error(), strconv.Itoa(before.PID)) {
		t.Errorf("start in another store's folder: %v, want %s and process %d", err, wire.CodeUnknownFolder, before.PID)
	}
	if now := s.instance("Orders", "orders-1"); now.PID != 0 || now.Status != wire.Stopped {
		t.Errorf("status in another store's folder: %s", describe([]wire.Instance{now}))
	}
	if v := storetest.Get(t, old, "k"); v != "old" {
		t.Errorf("the other store has %q, want old", v)
	}
	if _, err := s.Stop(context.Background(), "Orders", "orders-1", true); err != nil {
		t.Errorf("stop: %v", err)
	}
	s.change(func(d *catalog.Data) { d.RemoveStore("Orders") })
	storetest.Wait(t, 10*time.Second, func() (bool, string) {
		return len(s.catalog.Snapshot().Deletions) == 0, "the removal is not over"
	})
	if v := storetest.Get(t, old, "k"); v != "old" {
		t.Errorf("after the removal of its namesake the other store has %q, want old", v)
	}
	// When an operator moves the folder away, the new store starts.
	c.createAs("Orders", "op-3", stopped, []wire.Node{s.node("orders-1", 3)})
	if err := os.Rename(s.folder(place{"Orders", "orders-1"}), filepath.Join(t.TempDir(), "orders-1")); err != nil {
		t.Fatal(err)
	}
	s.mustStart("Orders", "orders-1")
}

// endLater ends a process at the end of the test, because no supervisor may know it.
func endLater(t *testing.T, pid int) {
	t.Cleanup(func() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		storetest.Wait(t, 10*time.Second, func() (bool, string) { return !alive(pid), "the process is still there" })
	})
}
