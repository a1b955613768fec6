package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dkvrun/runtime/wire"
)

// TestManager_LostCatalogServesReadOnly damages both generations of the catalog: the manager shows and keeps running
// what runs, changes nothing, and works again when a copy of the catalog has been restored.
func TestManager_LostCatalogServesReadOnly(t *testing.T) {
	t.Parallel()
	const ip = "127.33.250.11"
	dir := filepath.Join(t.TempDir(), "data")
	d := startDaemon(t, ip, dir)
	d.must("POST", wire.StoresPath(), orders(2, ip), "Created")
	start := wire.InstancePath("OrdersStore", "orders-1") + "/start"
	d.must("POST", start, nil, "Started")
	d.must("POST", wire.InstancePath("OrdersStore", "orders-2")+"/start", nil, "Started")
	d.ready("OrdersStore")
	put(t, orders(2, ip).Nodes[0])
	d.must("POST", wire.InstancePath("OrdersStore", "orders-2")+"/stop", nil, "Stopped")
	d.must("POST", wire.InstancePath("OrdersStore", "orders-2")+"/start", nil, "Started")
	d.ready("OrdersStore")
	pids := d.pids("OrdersStore")
	unknown := filepath.Join(dir, "instances", "Unknown", "nobody-1")
	if err := os.MkdirAll(unknown, 0o700); err != nil {
		t.Fatal(err)
	}
	d.end(syscall.SIGKILL)
	damaged := map[string][]byte{}
	copies := map[string][]byte{}
	for _, name := range []string{"catalog.json", "catalog.json.1", "catalog.json.2"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		copies[name], damaged[name] = text, text[:len(text)/2]
		// After a kill in the middle of a write both names may be links to one file.
		path := filepath.Join(dir, name)
		if err := errors.Join(os.Remove(path), os.WriteFile(path, damaged[name], 0o600)); err != nil {
			t.Fatal(err)
		}
	}

	d = startDaemon(t, ip, dir)
	eventually(t, "what runs is adopted", func() bool {
		now := d.pids("OrdersStore")
		return now["orders-1"] == pids["orders-1"] && now["orders-2"] == pids["orders-2"] && pids["orders-1"] != 0
	})
	d.unwell(wire.HealthReadOnly, "Alive, read-only", "catalog", "restore-catalog")
	if c := d.store("OrdersStore").Condition; c == nil || c.Health != wire.HealthReadOnly {
		t.Errorf("the store's condition: %+v", c)
	}
	other := orders(1, ip)
	other.Name = "OtherStore"
	for _, request := range []struct {
		method, path string
		body         any
	}{
		{"POST", wire.StoresPath(), other},
		{"DELETE", wire.StorePath("OrdersStore") + "?force=true", nil},
		{"DELETE", wire.InstancePath("OrdersStore", "orders-2"), nil},
		{"POST", wire.InstancePath("OrdersStore", "orders-2") + "/stop", nil},
		{"GET", wire.StorePath("OtherStore"), nil},
		{"GET", wire.StatePath("OrdersStore"), nil},
		{"GET", wire.OperationsPath(), nil},
	} {
		status, text := d.call(request.method, request.path, request.body)
		var result wire.Result
		if err := json.Unmarshal(text, &result); err != nil || status != http.StatusServiceUnavailable ||
			result.Code != wire.CodeReadOnly {
			t.Errorf("%s %s: %d %s, want read_only", request.method, request.path, status, text)
		}
	}
	if err := syscall.Kill(pids["orders-1"], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what died runs again", func() bool {
		now := d.pids("OrdersStore")["orders-1"]
		return now != 0 && now != pids["orders-1"]
	})
	d.ready("OrdersStore")
	get(t, orders(2, ip).Nodes[0])
	for name, want := range damaged {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != string(want) {
			t.Errorf("%s has changed (%v)", name, err)
		}
	}
	if _, err := os.Stat(unknown); err != nil {
		t.Errorf("a folder that nothing is known of: %v", err)
	}
	if !strings.Contains(d.log.String(), "serving read-only") {
		t.Errorf("the log does not say why: %s", d.log)
	}

	pids = d.pids("OrdersStore")
	if status := d.end(syscall.SIGTERM); status != 0 {
		t.Errorf("exit status %d", status)
	}
	for name, text := range copies {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d = startDaemon(t, ip, dir)
	if now := d.pids("OrdersStore"); now["orders-2"] != pids["orders-2"] {
		t.Errorf("pids %v, had %v", now, pids)
	}
	d.must("POST", start, nil, "Already running")
	d.must("POST", wire.StoresPath(), func() wire.CreateStore {
		other.Nodes[0].ClustronPort, other.Nodes[0].ClientPort = 17811, 17861
		return other
	}(), "Created")
}
