package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dkvrun/cmd/dkvmanager/internal/engine/process"
	"dkvrun/runtime/wire"
)

// TestManager_KeepsStoresThatARestoredCatalogDoesNotKnow restores a copy of the catalog that is older than a store, as
// docs/manager.md allows and as a fallback to the older generation does: the store goes on running with its data.
func TestManager_KeepsStoresThatARestoredCatalogDoesNotKnow(t *testing.T) {
	t.Parallel()
	const ip = "127.33.251.11"
	dir := filepath.Join(t.TempDir(), "data")
	d := startDaemon(t, ip, dir)
	other := orders(1, ip)
	other.Name, other.Nodes[0].Name = "OtherStore", "other-1"
	other.Nodes[0].ClustronPort, other.Nodes[0].ClientPort = 17811, 17861
	d.must("POST", wire.StoresPath(), other, "Created")
	path := filepath.Join(dir, "catalog.json")
	copied, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	store := orders(1, ip)
	d.must("POST", wire.StoresPath(), store, "Created")
	d.must("POST", wire.InstancePath("OrdersStore", "orders-1")+"/start", nil, "Started")
	d.ready("OrdersStore")
	put(t, store.Nodes[0])
	pid := d.pids("OrdersStore")["orders-1"]
	newest, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	d.end(syscall.SIGKILL)
	restore(t, dir, copied)
	d = startDaemon(t, ip, dir)
	folder := filepath.Join(dir, "instances", "OrdersStore", "orders-1")
	// A change and a removal make the manager look at its folders again.
	d.must("POST", wire.InstancePath("OtherStore", "other-1")+"/start", nil, "Started")
	d.must("DELETE", wire.StorePath("OtherStore")+"?force=true", nil, "Removed")
	if holder, err := process.Holder(folder); err != nil || holder != pid {
		t.Errorf("process %d holds the unknown store's folder (%v), want %d as before", holder, err, pid)
	}
	get(t, store.Nodes[0])
	if log := d.log.String(); !strings.Contains(log, "doesn't know this instance") || !strings.Contains(log, folder) {
		t.Errorf("the log doesn't name the folder that is kept: %s", log)
	}
	if _, err := os.Stat(filepath.Join(dir, "instances", "OtherStore")); !os.IsNotExist(err) {
		t.Errorf("the folder of the removed store is still there: %v", err)
	}

	// When the newest catalog is restored, it finds the store unchanged.
	d.end(syscall.SIGKILL)
	restore(t, dir, newest)
	d = startDaemon(t, ip, dir)
	d.ready("OrdersStore")
	if now := d.pids("OrdersStore")["orders-1"]; now != pid {
		t.Errorf("process %d, want %d as before", now, pid)
	}
	get(t, store.Nodes[0])
}

// catalogFiles are the files of a catalog, in which a copy put back by hand is.
var catalogFiles = []string{"catalog.json", "catalog.json.1", "catalog.json.2"}

// TestManager_OlderCatalogStopsNothing leaves a manager only a generation in which a running instance was not started
// yet: the instance goes on, and the manager is suspect, also after a restart.
func TestManager_OlderCatalogStopsNothing(t *testing.T) {
	t.Parallel()
	const ip = "127.33.251.12"
	dir := filepath.Join(t.TempDir(), "data")
	d := startDaemon(t, ip, dir)
	store := orders(2, ip)
	d.must("POST", wire.StoresPath(), store, "Created")
	older, err := os.ReadFile(filepath.Join(dir, "catalog.json"))
	if err != nil {
		t.Fatal(err)
	}
	d.must("POST", wire.InstancePath("OrdersStore", "orders-1")+"/start", nil, "Started")
	d.must("POST", wire.InstancePath("OrdersStore", "orders-2")+"/start", nil, "Started")
	d.ready("OrdersStore")
	put(t, store.Nodes[0])
	pids := d.pids("OrdersStore")
	d.end(syscall.SIGKILL)
	for name, text := range map[string][]byte{"catalog.json": []byte("{"), "catalog.json.1": nil, "catalog.json.2": older} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.Remove(path), os.WriteFile(path, text, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		d = startDaemon(t, ip, dir)
		d.ready("OrdersStore")
		if now := d.pids("OrdersStore"); now["orders-1"] != pids["orders-1"] || now["orders-2"] != pids["orders-2"] {
			t.Errorf("processes %v, want %v as before", now, pids)
		}
		for _, in := range d.store("OrdersStore").Instances {
			if in.Desired != wire.DesiredRunning || in.Restarts != 0 {
				t.Errorf("%s: desired %s, %d restarts", in.Name, in.Desired, in.Restarts)
			}
		}
		get(t, store.Nodes[1])
		// Nobody else can know more of its own store, so that it heals; names without a store stay suspect.
		d.unwell(wire.HealthDegraded, "Alive, degraded: it may have forgotten votes", "may have forgotten a vote", "")
		var state wire.StoreState
		d.get(wire.StatePath("NoStore"), &state)
		if !state.Suspect || !strings.Contains(d.log.String(), "this manager is suspect") {
			t.Errorf("it is not suspect: %+v", state)
		}
		d.end(syscall.SIGKILL)
	}
}

// TestManager_OthersNoticeAnOlderCatalog puts back an older copy of all files of a manager's catalog by hand: each file
// is whole, and another manager has heard of a later generation.
func TestManager_OthersNoticeAnOlderCatalog(t *testing.T) {
	t.Parallel()
	c := newTrio(t, "127.33.252")
	away, other := c.managers[2], c.managers[0]
	copies := map[string][]byte{}
	for _, name := range catalogFiles {
		text, err := os.ReadFile(filepath.Join(away.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		copies[name] = text
	}
	second := orders(1, away.ip)
	second.Name, second.Nodes[0].Name = "OtherStore", "other-1"
	second.Nodes[0].ClustronPort, second.Nodes[0].ClientPort = 17811, 17861
	away.must("POST", wire.StoresPath(), second, "Created")
	other.end(syscall.SIGKILL)
	other = startDaemon(t, other.ip, other.dir) // it compares its stores at its start
	eventually(t, "the other manager has heard of the generation", func() bool {
		text, err := os.ReadFile(filepath.Join(other.dir, "heard.json"))
		return err == nil && strings.Contains(string(text), c.ids[2])
	})
	other.end(syscall.SIGKILL)
	other = startDaemon(t, other.ip, other.dir) // it has not forgotten that
	away.end(syscall.SIGKILL)
	for name, text := range copies {
		path := filepath.Join(away.dir, name)
		if err := errors.Join(os.Remove(path), os.WriteFile(path, text, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	generation := uint64(0)
	for range 2 { // a restart does not clear it
		away = startDaemon(t, away.ip, away.dir)
		var state wire.StoreState
		eventually(t, "the manager is suspect", func() bool {
			away.get(wire.StatePath("NoStore"), &state)
			return state.Suspect
		})
		if generation != 0 && state.Generation < generation {
			t.Errorf("generation %d, had %d", state.Generation, generation)
		}
		generation = state.Generation
		away.end(syscall.SIGKILL)
	}
}

// TestManager_StraysAreNamedAndEnded restores a catalog that doesn't know a running instance: strays names it, and ends
// it only if told to, while the manager runs. Its data is kept.
func TestManager_StraysAreNamedAndEnded(t *testing.T) {
	t.Parallel()
	const ip = "127.33.251.13"
	dir := filepath.Join(t.TempDir(), "data")
	d := startDaemon(t, ip, dir)
	older, err := os.ReadFile(filepath.Join(dir, "catalog.json"))
	if err != nil {
		t.Fatal(err)
	}
	d.must("POST", wire.StoresPath(), orders(2, ip), "Created")
	d.must("POST", wire.InstancePath("OrdersStore", "orders-1")+"/start", nil, "Started")
	d.must("POST", wire.InstancePath("OrdersStore", "orders-2")+"/start", nil, "Started")
	d.ready("OrdersStore")
	pids := d.pids("OrdersStore")
	strays := func(status int, want string, args ...string) {
		t.Helper()
		cmd := command(append([]string{"strays", "--data-dir", dir}, args...)...)
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != status || !strings.Contains(string(out), want) {
			t.Errorf("strays %s: status %d, %s; want %d, %q", args, got, out, status, want)
		}
	}
	strays(0, "the catalog knows all instances")
	strays(1, "the catalog knows OrdersStore/orders-1", "--end", "OrdersStore/orders-1", "--anyway")
	d.end(syscall.SIGKILL)
	restore(t, dir, older)
	startDaemon(t, ip, dir)
	line := func(name string) string {
		return fmt.Sprintf("OrdersStore/%s  %d", name, pids[name])
	}
	strays(1, line("orders-1"))
	strays(1, line("orders-2"))
	strays(1, "dkvmanager strays --data-dir "+dir+" --end OrdersStore/orders-1")
	strays(1, "may have forgotten store OrdersStore", "--end", "OrdersStore/orders-1")
	folder := filepath.Join(dir, "instances", "OrdersStore", "orders-1")
	if holder, err := process.Holder(folder); err != nil || holder != pids["orders-1"] {
		t.Errorf("process %d holds the folder (%v), want %d", holder, err, pids["orders-1"])
	}
	strays(0, fmt.Sprintf("process %d has ended", pids["orders-1"]), "--end", "OrdersStore/orders-1", "--anyway")
	kept, err := filepath.Glob(filepath.Join(dir, "strays", "OrdersStore-orders-1-*", "data-*", "member"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("its data is kept as %q (%v)", kept, err)
	}
	if holder, err := process.Holder(filepath.Dir(filepath.Dir(kept[0]))); err != nil || holder != 0 {
		t.Errorf("process %d still holds the folder (%v)", holder, err)
	}
	strays(1, "the catalog knows OrdersStore/orders-1, or there is no such folder", "--end", "OrdersStore/orders-1", "--anyway")
	strays(1, line("orders-2"))
	strays(2, "--data-dir DIR is missing", "--data-dir", "")
	strays(2, "--anyway needs --end", "--anyway")
	if err := syscall.Kill(pids["orders-2"], 0); err != nil {
		t.Errorf("the other process: %v", err)
	}
}

// TestManager_StatusNamesStrays restores a catalog without a store whose instances run, and creates another store of
// that name. The manager shows the folders and processes, each with the command that ends it, which does so.
func TestManager_StatusNamesStrays(t *testing.T) {
	t.Parallel()
	const ip = "127.33.251.14"
	dir := filepath.Join(t.TempDir(), "data")
	d := startDaemon(t, ip, dir)
	older, err := os.ReadFile(filepath.Join(dir, "catalog.json"))
	if err != nil {
		t.Fatal(err)
	}
	d.must("POST", wire.StoresPath(), orders(2, ip), "Created")
	d.must("POST", wire.InstancePath("OrdersStore", "orders-1")+"/start", nil, "Started")
	d.must("POST", wire.InstancePath("OrdersStore", "orders-2")+"/start", nil, "Started")
	d.ready("OrdersStore")
	pids := d.pids("OrdersStore")
	var info wire.Info
	d.get(wire.InfoPath(), &info)
	for _, in := range d.store("OrdersStore").Instances {
		if !strings.HasPrefix(in.Build, wire.Version+"+") || in.Build != info.Build || in.OtherBuild {
			t.Errorf("%s is of build %q, its manager of %q", in.Name, in.Build, info.Build)
		}
	}
	if found := d.store("OrdersStore").Strays; len(found) != 0 {
		t.Errorf("the catalog knows all, and these are shown: %+v", found)
	}
	d.end(syscall.SIGKILL)
	restore(t, dir, older)
	d = startDaemon(t, ip, dir)
	other := orders(1, ip) // another store of that name, with another instance: the manager decides that it may
	other.Nodes[0].Name, other.Nodes[0].ClustronPort, other.Nodes[0].ClientPort = "orders-9", 17911, 17961
	eventually(t, "a store of that name is created", func() bool {
		status, _ := d.call("POST", wire.StoresPath(), other)
		return status == http.StatusOK
	})
	for i, x := range d.store("OrdersStore").Strays {
		name := fmt.Sprintf("orders-%d", i+1)
		want := wire.Stray{
			Instance: name, Folder: filepath.Join(dir, "instances", "OrdersStore", name), PID: pids[name],
			Next: "dkvmanager strays --data-dir " + dir + " --end OrdersStore/" + name,
		}
		if x != want {
			t.Errorf("got the stray %+v, want %+v", x, want)
		}
		arguments := strings.Fields(strings.TrimPrefix(x.Next, "dkvmanager "))
		if out, err := command(append(arguments, "--anyway")...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v, %s", x.Next, err, out)
		}
		delete(pids, name)
	}
	if found := d.store("OrdersStore").Strays; len(found) != 0 || len(pids) != 0 {
		t.Errorf("not ended, or never shown: %+v, processes %v", found, pids)
	}
}

// restore writes a copy of a catalog to a file and restores it.
func restore(t *testing.T, dir string, text []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := command("restore-catalog", path, "--data-dir", dir).CombinedOutput(); err != nil {
		t.Fatalf("restore-catalog: %v, %s", err, out)
	}
}
