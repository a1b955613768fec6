package main

import (
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
	if err := os.WriteFile(path, copied, 0o600); err != nil {
		t.Fatal(err)
	}
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
	if err := os.WriteFile(path, newest, 0o600); err != nil {
		t.Fatal(err)
	}
	d = startDaemon(t, ip, dir)
	d.ready("OrdersStore")
	if now := d.pids("OrdersStore")["orders-1"]; now != pid {
		t.Errorf("process %d, want %d as before", now, pid)
	}
	get(t, store.Nodes[0])
}
