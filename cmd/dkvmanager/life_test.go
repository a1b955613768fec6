package main

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"dkvrun/runtime/wire"
)

// TestManager_LifeOfAStore creates, starts, uses, grows, shrinks, stops and removes a store on two managers, with plain
// HTTP requests.
func TestManager_LifeOfAStore(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	hosts := []string{"127.23.3.11", "127.23.3.12"}
	managers := []*daemon{
		startDaemon(t, hosts[0], filepath.Join(root, "1")),
		startDaemon(t, hosts[1], filepath.Join(root, "2")),
	}
	store := orders(4, hosts...)
	for _, d := range managers {
		d.must("POST", wire.StoresPath(), store, "Created")
	}
	for i, n := range store.Nodes {
		managers[i%2].must("POST", wire.InstancePath("OrdersStore", n.Name)+"/start", nil, "Started")
	}
	for _, d := range managers {
		d.ready("OrdersStore")
	}
	put(t, store.Nodes[3])
	get(t, store.Nodes[0])
	checkCounts(t, managers[1], "orders-4")

	status, text := managers[0].call("GET", wire.InstancePath("OrdersStore", "orders-1")+"/log?tail=1", nil)
	if status != http.StatusOK || strings.Count(string(text), "\n") != 1 {
		t.Errorf("the log's last line: %d %q", status, text)
	}

	wider := wire.ChangeInstances{BaseRevision: 1, Nodes: orders(5, hosts...).Nodes}
	for _, d := range managers {
		d.must("POST", wire.InstancesPath("OrdersStore"), wider, "Added orders-5")
		d.must("POST", wire.InstancesPath("OrdersStore"), wider, "Already added")
	}
	if a, b := managers[0].store("OrdersStore").Digest, managers[1].store("OrdersStore").Digest; a != b {
		t.Errorf("the managers have different topologies: %s, %s", a, b)
	}
	for _, d := range managers {
		d.ready("OrdersStore") // the new instance runs because the store does
	}
	get(t, wider.Nodes[4])

	for _, d := range managers {
		d.must("DELETE", wire.InstancePath("OrdersStore", "orders-4")+"?baseRevision=2", nil, "Removed")
	}
	folder := filepath.Join(managers[1].dir, "instances", "OrdersStore", "orders-4")
	eventually(t, "orders-4 is gone", func() bool {
		_, err := os.Stat(folder)
		return os.IsNotExist(err) && len(managers[1].store("OrdersStore").Leaving) == 0
	})
	get(t, wider.Nodes[1])

	stop := func(d *daemon, query string) {
		for name := range d.pids("OrdersStore") {
			d.must("POST", wire.InstancePath("OrdersStore", name)+"/stop"+query, nil, "Stopped")
			d.must("POST", wire.InstancePath("OrdersStore", name)+"/stop"+query, nil, "Already stopped")
		}
	}
	stop(managers[0], "")
	stop(managers[1], "?force=true")
	for _, d := range managers {
		if s := d.store("OrdersStore"); s.Status != wire.StoreStopped {
			t.Errorf("status of the stopped store on %s: %s", d.ip, s.Status)
		}
		d.must("DELETE", wire.StorePath("OrdersStore"), nil, "Removed")
		left, err := filepath.Glob(filepath.Join(d.dir, "instances", "*", "*"))
		if err != nil || len(left) > 0 {
			t.Errorf("what the store left behind: %v %v", left, err)
		}
	}
}

// checkCounts checks that the metrics of an instance count the put through it.
func checkCounts(t *testing.T, d *daemon, instance string) {
	t.Helper()
	var m wire.Metrics
	d.get(wire.MetricsPath()+"?store=OrdersStore", &m)
	i := slices.IndexFunc(m.Metrics, func(m wire.Metric) bool {
		return m.Instance == instance && m.Category == "Requests" && m.Name == "Put"
	})
	if i < 0 || m.Metrics[i].Total != 1 {
		t.Errorf("counts of %s: %+v", instance, m.Metrics)
	}
}

func TestManager_InstancesOutliveIt(t *testing.T) {
	t.Parallel()
	const ip = "127.23.4.11"
	dir := filepath.Join(t.TempDir(), "data")
	d := startDaemon(t, ip, dir)
	store := orders(2, ip)
	d.must("POST", wire.StoresPath(), store, "Created")
	d.must("POST", wire.InstancePath("OrdersStore", "orders-1")+"/start", nil, "Started")
	d.must("POST", wire.InstancePath("OrdersStore", "orders-2")+"/start", nil, "Started")
	d.ready("OrdersStore")
	put(t, store.Nodes[0])

	before := d.store("OrdersStore")
	var info wire.Info
	d.get(wire.InfoPath(), &info)
	pids := d.pids("OrdersStore")
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGKILL} {
		if status := d.end(signal); signal != syscall.SIGKILL && status != 0 {
			t.Errorf("exit status %d after %s, want 0", status, signal)
		}
		if ended := fmt.Sprintf("msg=ended why=\"%s signal received\"", signal); signal != syscall.SIGKILL && !strings.Contains(d.log.String(), ended) {
			t.Errorf("the log does not say %s:\n%s", ended, d.log)
		}
		get(t, store.Nodes[1])
		d = startDaemon(t, ip, dir)
		if now := d.pids("OrdersStore"); !maps.Equal(now, pids) {
			t.Errorf("after %s: processes %v, want the same as before, %v", signal, now, pids)
		}
		after := d.store("OrdersStore")
		if after.Revision != before.Revision || after.Digest != before.Digest || after.Creation != before.Creation {
			t.Errorf("after %s: %+v, want %+v", signal, after, before)
		}
		again := info
		if d.get(wire.InfoPath(), &again); again.Identity != info.Identity || again.Boot == info.Boot ||
			again.CatalogDigest != info.CatalogDigest {
			t.Errorf("after %s: %+v, want the same manager as %+v, started anew", signal, again, info)
		}
	}
	d.must("DELETE", wire.StorePath("OrdersStore")+"?force=true", nil, "Removed")
	if left := d.holders(); len(left) > 0 {
		t.Errorf("adopted processes that stayed: %v", left)
	}
}

func TestManager_ReportsForeignInstances(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	d := startDaemon(t, "127.23.4.12", dir)
	d.must("POST", wire.StoresPath(), orders(1, "127.23.4.12"), "Created")
	d.end(syscall.SIGTERM)
	d = startDaemon(t, "127.23.4.13", dir)
	if !strings.Contains(d.log.String(), "instance=OrdersStore/orders-1") {
		t.Errorf("log:\n%s", d.log)
	}
	status, text := d.call("POST", wire.InstancePath("OrdersStore", "orders-1")+"/start", nil)
	if status != http.StatusConflict || !strings.Contains(string(text), wire.CodeNotThisHost) {
		t.Errorf("got %d %s", status, text)
	}
}
