package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/wire"
)

// etcdctl runs dkvmanager etcdctl and returns its exit status, standard output and error.
func etcdctl(t *testing.T, args ...string) (status int, out, err string) {
	t.Helper()
	cmd := command(append([]string{"etcdctl"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(cmd.Env, "ETCDCTL_ENDPOINTS=127.0.0.1:1")
	if e := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(e)
	}
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

func TestEtcdctl_Administers(t *testing.T) {
	t.Parallel()
	const ip = "127.23.14.11"
	// The address of a unix socket is limited to 108 bytes, a data folder is not.
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 20), "data")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, ip, dir)
	order := orders(2, ip)
	order.Nodes[0].Role, order.Nodes[1].Role = wire.Data, wire.Gateway
	d.must("POST", wire.StoresPath(), order, "Created")
	for _, n := range order.Nodes {
		d.must("POST", wire.InstancePath(order.Name, n.Name)+"/start", nil, "Started")
	}
	d.ready(order.Name)
	nodes := order.Nodes
	for i := range 20 {
		storetest.Put(t, nodes[0], "order", fmt.Sprint(i))
	}
	on := func(args ...string) string {
		t.Helper()
		status, out, err := etcdctl(t, append([]string{"--data-dir", dir, "OrdersStore/orders-1", "--"}, args...)...)
		if status != 0 {
			t.Errorf("etcdctl %s: status %d, %s", args, status, err)
		}
		return out
	}
	if got := on("get", "order", "--print-value-only"); got != "19\n" {
		t.Errorf("get: %q", got)
	}
	on("compaction", "10")
	if status, _, err := etcdctl(t, "OrdersStore/orders-1", "--data-dir", dir, "--", "get", "--rev=5", "order"); status == 0 || !strings.Contains(err, "compacted") {
		t.Errorf("a compacted revision: status %d, %s", status, err)
	}
	on("defrag")
	on("alarm", "disarm")
	snapshot := filepath.Join(t.TempDir(), "snapshot")
	on("snapshot", "save", snapshot)
	if info, err := os.Stat(snapshot); err != nil || info.Size() == 0 {
		t.Errorf("the snapshot: %v, %v", info, err)
	}
	on("user", "add", "root:secret")
	if got := on("user", "list"); got != "root\n" {
		t.Errorf("user list: %q", got)
	}
	// What only the socket may do is refused on the client port, with the command that does it.
	err := storetest.Call(nodes[0], "/v3/auth/enable", struct{}{}, &struct{}{})
	if want := "use dkvmanager etcdctl --data-dir DIR OrdersStore/orders-1 -- auth enable, on " + ip; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("auth enable on the client port: %v, want %q", err, want)
	}

	// Another instance's folder, one that is stopped, and a gateway.
	for _, c := range []struct{ name, want string }{
		{"OrdersStore/orders-9", "there is no instance OrdersStore/orders-9 in " + dir + ": there are OrdersStore/orders-1, OrdersStore/orders-2"},
		{"OrdersStore/orders-2", "OrdersStore/orders-2 is a gateway, which has no data: name a data instance of the store"},
	} {
		status, out, err := etcdctl(t, "--data-dir", dir, c.name, "--", "defrag")
		if status != exitError || !strings.Contains(err, c.want) || out != "" {
			t.Errorf("%s: status %d, %q, %q; want %q", c.name, status, out, err, c.want)
		}
	}
	if err := os.Remove(filepath.Join(dir, "instances", "OrdersStore", "orders-1", "etcd.sock")); err != nil {
		t.Error(err)
	}
	if status, _, err := etcdctl(t, "--data-dir", dir, "OrdersStore/orders-1", "--", "defrag"); status != exitError ||
		!strings.Contains(err, "restart_instance makes one") {
		t.Errorf("an instance without a socket: status %d, %s", status, err)
	}
	for _, n := range order.Nodes {
		d.must("POST", wire.InstancePath(order.Name, n.Name)+"/stop", nil, "Stopped")
	}
	eventually(t, "the instance has stopped", func() bool { return len(d.holders()) == 0 })
	if status, _, err := etcdctl(t, "--data-dir", dir, "OrdersStore/orders-1", "--", "defrag"); status != exitError ||
		!strings.Contains(err, "OrdersStore/orders-1 is not running: start_instance starts it") {
		t.Errorf("a stopped instance: status %d, %s", status, err)
	}
}

func TestEtcdctl_Refusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{nil, exitUsage, "want one STORE/INSTANCE before --, got 0"},
		{[]string{"--data-dir", dir, "a/b", "c/d", "--", "x"}, exitUsage, "want one STORE/INSTANCE before --, got 2"},
		{[]string{"--data-dir", dir, "Orders", "--", "x"}, exitUsage, `"Orders" is not STORE/INSTANCE`},
		{[]string{"--data-dir", dir, "../etc/passwd", "--", "x"}, exitUsage, "STORE/INSTANCE: a name"},
		{[]string{"--data-dir", dir, "a/..", "--", "x"}, exitUsage, "STORE/INSTANCE: a name"},
		{[]string{"OrdersStore/orders-1", "--", "x"}, exitUsage, "--data-dir DIR is missing"},
		{[]string{"--data-dir", dir, "OrdersStore/orders-1"}, exitUsage, "the arguments of etcdctl are missing after --"},
		{[]string{"--data-dir", dir, "OrdersStore/orders-1", "--"}, exitUsage, "the arguments of etcdctl are missing after --"},
		{[]string{"--endpoints", "x", "OrdersStore/orders-1", "--", "x"}, exitUsage, "unknown flag --endpoints"},
		{[]string{"--data-dir", dir, "OrdersStore/orders-1", "--", "x"}, exitError, "there is no instance OrdersStore/orders-1 in " + dir + ": there is none at all"},
	} {
		status, out, err := etcdctl(t, c.args...)
		if status != c.status || out != "" || !strings.Contains(err, c.want) || strings.Count(err, "\n") != 1 {
			t.Errorf("etcdctl %s: status %d, out %q, err %q; want %d, %q", c.args, status, out, err, c.status, c.want)
		}
	}
}
