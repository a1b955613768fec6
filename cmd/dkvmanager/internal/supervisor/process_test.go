package supervisor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/wire"
)

func kill(t *testing.T, pid int) {
	t.Helper()
	if pid <= 0 {
		t.Fatalf("no process to kill: pid %d", pid)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// alive says whether a process is there and not a zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestKilledInstanceIsRestarted(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	c.create("Orders", c.spread("orders", 1, 1))
	c.start("Orders")
	c.waitSettled("Orders", 10*time.Second)
	put(t, c.node("Orders", "orders-1"), "k", "v")
	before := c.servers[0].instance("Orders", "orders-1")
	kill(t, before.PID)
	wait(t, 10*time.Second, func() (bool, string) {
		now := c.servers[0].instance("Orders", "orders-1")
		return now.Ready && now.PID != before.PID && now.Restarts == 1 && strings.Contains(now.LastError, "killed"),
			describe([]wire.Instance{now})
	})
	if v := get(t, c.node("Orders", "orders-1"), "k"); v != "v" {
		t.Errorf("reads %q after the restart, want v", v)
	}
}

func TestInstancesOutliveTheSupervisorAndAreAdopted(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	c.start("Orders")
	c.waitSettled("Orders", 10*time.Second)
	before := s.instance("Orders", "orders-1")
	s.drop()
	if !alive(before.PID) {
		t.Fatal("the instance ended with its supervisor")
	}
	s.open()
	now := s.instance("Orders", "orders-1")
	if now.PID != before.PID || now.Status != wire.Running || !now.Ready || now.Restarts != 0 {
		t.Errorf("adopted as %s, want pid %d running", describe([]wire.Instance{now}), before.PID)
	}
	if changed, err := s.Start(context.Background(), "Orders", "orders-1"); changed || err != nil {
		t.Errorf("starting what runs: changed %v, error %v", changed, err)
	}

	// An adopted one is watched as well.
	kill(t, before.PID)
	wait(t, 10*time.Second, func() (bool, string) {
		now := s.instance("Orders", "orders-1")
		return now.Ready && now.PID != before.PID, describe([]wire.Instance{now})
	})
}

func TestDiedWhileNobodyLooked(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	c.start("Orders")
	c.waitSettled("Orders", 10*time.Second)
	pid := s.instance("Orders", "orders-1").PID
	s.drop()
	kill(t, pid)
	wait(t, 5*time.Second, func() (bool, string) { return !alive(pid), "outlives SIGKILL" })
	s.open()
	c.waitSettled("Orders", 10*time.Second)
}

func TestStopIsGracefulOrForced(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	for _, force := range []bool{false, true} {
		c.start("Orders")
		c.waitSettled("Orders", 10*time.Second)
		pid := s.instance("Orders", "orders-1").PID
		s.mustStop("Orders", "orders-1", force)
		if alive(pid) {
			t.Errorf("force %v: process %d is there after the stop", force, pid)
		}
		if now := s.instance("Orders", "orders-1"); now.Status != wire.Stopped || now.PID != 0 || now.LastError != "" {
			t.Errorf("force %v: %s", force, describe([]wire.Instance{now}))
		}
	}
	if changed, err := s.Stop(context.Background(), "Orders", "orders-1", false); changed || err != nil {
		t.Errorf("stopping what is stopped: changed %v, error %v", changed, err)
	}
	s.drop()
	s.open()
	if now := s.instance("Orders", "orders-1"); now.Status != wire.Stopped {
		t.Errorf("%s after a restart of the manager, want Stopped", now.Status)
	}
}

func TestHungInstanceIsKilledByForce(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	c.start("Orders")
	pid := s.instance("Orders", "orders-1").PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := s.Stop(ctx, "Orders", "orders-1", false); err == nil || code(err) != wire.CodeStopFailed {
		t.Errorf("graceful stop of a hung instance: %v, want %s", err, wire.CodeStopFailed)
	}
	if now := s.instance("Orders", "orders-1"); now.Status != wire.Stopping {
		t.Errorf("status %s, want Stopping", now.Status)
	}
	s.mustStop("Orders", "orders-1", true)
}

func TestStopAllLeavesTheCatalogAlone(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 2))
	c.start("Orders")
	c.waitSettled("Orders", 10*time.Second)
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	if err := s.StopAll(ctx); err != nil {
		t.Fatal(err)
	}
	for _, in := range c.instances("Orders") {
		if in.PID != 0 || in.Desired != wire.DesiredRunning {
			t.Errorf("%s: pid %d, desired %s; want none and Running", in.Name, in.PID, in.Desired)
		}
	}
	s.drop()
	s.open()
	c.waitSettled("Orders", 10*time.Second)
}

func TestCrashLoop(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	// A file where the data folder should be: the engine ends at once.
	folder := s.folder(place{"Orders", "orders-1"})
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	block := filepath.Join(folder, dataDir("op-Orders"))
	if err := os.WriteFile(block, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := s.Start(ctx, "Orders", "orders-1")
	if err == nil || code(err) != wire.CodeStartFailed || !strings.Contains(err.Error(), "exit status 1") || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("start: %v, want start_failed with the exit status and the log's last line", err)
	}
	wait(t, 30*time.Second, func() (bool, string) {
		now := s.instance("Orders", "orders-1")
		return now.Status == wire.CrashLooping && now.Restarts >= crashLoop-1, describe([]wire.Instance{now})
	})
	if err := os.Remove(block); err != nil {
		t.Fatal(err)
	}
	// An operator's start doesn't wait for the backoff.
	s.mustStart("Orders", "orders-1")
	c.waitSettled("Orders", 5*time.Second)
}

func TestStrayProcessesAndFoldersAreCleanedUp(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 2))
	c.create("Stock", []wire.Node{s.node("stock-1", 5)})
	c.start("Orders")
	c.start("Stock")
	c.waitSettled("Orders", 10*time.Second)
	c.waitSettled("Stock", 10*time.Second)
	all := c.instances("Orders")
	stock := s.instance("Stock", "stock-1")

	// The manager crashes after the catalog has dropped the store, before the supervisor hears of it.
	s.drop()
	cat, err := catalog.Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := cat.Update(func(d *catalog.Data) error { delete(d.Stores, "Orders"); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := cat.Close(); err != nil {
		t.Fatal(err)
	}
	s.open()
	wait(t, 10*time.Second, func() (bool, string) {
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

func TestFolderOfAnEarlierStoreOfThatName(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	c.start("Orders")
	c.waitSettled("Orders", 10*time.Second)
	put(t, c.node("Orders", "orders-1"), "k", "old")
	pid := s.instance("Orders", "orders-1").PID
	s.change(func(d *catalog.Data) {
		d.Stores["Orders"].Operation = "op-2"
		d.Stores["Orders"].Local["orders-1"] = &catalog.Local{Desired: wire.DesiredRunning}
	})
	wait(t, 10*time.Second, func() (bool, string) {
		now := s.instance("Orders", "orders-1")
		return now.Ready && now.PID != pid, describe([]wire.Instance{now})
	})
	if v := get(t, c.node("Orders", "orders-1"), "k"); v != "" {
		t.Errorf("the new store has the old one's value %q", v)
	}
}

func TestRemoveStore(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 2))
	c.start("Orders")
	all := c.instances("Orders")
	if err := s.catalog.Update(func(d *catalog.Data) error { delete(d.Stores, "Orders"); return nil }); err != nil {
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

func TestSecondSpawnNeverMakesASecondProcess(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	c.start("Orders")
	before := s.instance("Orders", "orders-1")
	// As after a crash between the spawn and anything else: another process for the same folder.
	second, err := s.spawn(s.folder(place{"Orders", "orders-1"}))
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

func TestSpecIsWrittenWhole(t *testing.T) {
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
