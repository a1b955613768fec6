package admin

import (
	"net/http"
	"slices"
	"testing"

	"dkvrun/runtime/wire"
)

const operation = "0198f0a0-5d2e-7c41-9d0f-2f6f8f3f7a11"

func TestCreateStore_New(t *testing.T) {
	b := newHarness(t)
	body := orders(4, ownHost, otherHost)
	body.Operation = operation
	body.Managers = []wire.Manager{{Identity: "b", URL: "http://127.23.1.12:7801"}, {Identity: "a", URL: "http://127.23.1.11:7801"}}
	b.must("POST", wire.StoresPath(), body, wire.CodeOK, "Created")
	if b.sup.notifications == 0 {
		t.Error("the supervisor was not told")
	}

	s := b.store("OrdersStore")
	if s.Revision != 1 || s.Epoch != 1 || s.Creation != operation || s.Coordinator != "a" || s.Engine != "etcd" {
		t.Errorf("got %+v", s)
	}
	if !slices.Equal(s.Managers, body.Managers) {
		t.Errorf("managers %v", s.Managers)
	}
	want := wire.AssignRoles(body.Nodes)
	if !slices.Equal(s.Nodes(), want) || s.Digest != wire.Digest("OrdersStore", want) ||
		!slices.Equal(s.Founders, wire.Founders(want)) {
		t.Errorf("nodes %+v, founders %v, want %+v", s.Nodes(), s.Founders, want)
	}
	for i, in := range s.Instances {
		own := i%2 == 0
		if in.Own != own || own && (in.Status != wire.Stopped || in.Desired != wire.DesiredStopped) ||
			!own && in.Status != wire.Unknown {
			t.Errorf("instance %+v", in)
		}
	}
	if s.Status != wire.StoreStopped {
		t.Errorf("status %s", s.Status)
	}
	var all []wire.Store
	if b.get(wire.StoresPath(), &all); len(all) != 1 || all[0].Name != "OrdersStore" {
		t.Errorf("list %+v", all)
	}
}

func TestCreateStore_Again(t *testing.T) {
	b := newHarness(t)
	body := orders(3, ownHost)
	b.must("POST", wire.StoresPath(), body, wire.CodeOK, "Created")
	before := b.file()
	b.must("POST", wire.StoresPath(), body, wire.CodeUnchanged, "Already created")
	body.Operation = operation
	b.must("POST", wire.StoresPath(), body, wire.CodeUnchanged, "Already created")
	body.Nodes = wire.AssignRoles(body.Nodes)
	b.must("POST", wire.StoresPath(), body, wire.CodeUnchanged, "Already created")
	if string(before) != string(b.file()) {
		t.Error("the same store again changed the catalog")
	}

	changes := []struct {
		said   string
		change func(*wire.CreateStore)
	}{
		{"orders-3 is not in the request", func(c *wire.CreateStore) { c.Nodes = c.Nodes[:2] }},
		{"orders-4 is not in the store", func(c *wire.CreateStore) { c.Nodes = nodes(4, ownHost) }},
		{"orders-2 has client port 17862, not 19000", func(c *wire.CreateStore) { c.Nodes[1].ClientPort = 19000 }},
		{"orders-2 has cluster port 17812, not 19000", func(c *wire.CreateStore) { c.Nodes[1].ClustronPort = 19000 }},
		{"orders-2 has host 127.23.1.11, not 127.23.1.12", func(c *wire.CreateStore) { c.Nodes[1].Host = otherHost }},
		{"another order", func(c *wire.CreateStore) { slices.Reverse(c.Nodes) }},
		{"orders-1 has role data, not gateway", func(c *wire.CreateStore) {
			c.Nodes = wire.AssignRoles(c.Nodes)
			c.Nodes[0].Role = wire.Gateway
		}},
		{"and 3 more", func(c *wire.CreateStore) {
			for i := range c.Nodes {
				c.Nodes[i].ClientPort += 1000
				c.Nodes[i].ClustronPort += 1000
			}
		}},
		{"differ only in case", func(c *wire.CreateStore) { c.Name = "ordersSTORE" }},
	}
	for _, c := range changes {
		other := orders(3, ownHost)
		c.change(&other)
		b.refused("POST", wire.StoresPath(), other, wire.CodeStoreExists, c.said)
	}
}

func TestCreateStore_DerivesOperation(t *testing.T) {
	b := newHarness(t)
	b.must("POST", wire.StoresPath(), orders(1, ownHost), wire.CodeOK, "Created")
	if s := b.store("OrdersStore"); s.Creation != "d-"+s.Digest[:32] {
		t.Errorf("operation %s of digest %s", s.Creation, s.Digest)
	}
}

func TestCreateStore_KeepsRoles(t *testing.T) {
	b := newHarness(t)
	body := orders(3, ownHost)
	for i, role := range []wire.Role{wire.Gateway, wire.Data, wire.Gateway} {
		body.Nodes[i].Role = role
	}
	b.must("POST", wire.StoresPath(), body, wire.CodeOK, "Created")
	if s := b.store("OrdersStore"); !slices.Equal(s.Nodes(), body.Nodes) || len(s.Founders) != 1 || s.Founders[0].Name != "orders-2" {
		t.Errorf("got %+v, founders %v", s.Nodes(), s.Founders)
	}
}

func TestCreateStore_Elsewhere(t *testing.T) {
	b := newHarness(t)
	b.sup.taken[17861] = true // the ports of other servers are not checked
	b.must("POST", wire.StoresPath(), orders(2, otherHost), wire.CodeOK, "Created")
	if s := b.store("OrdersStore"); s.Status != wire.StoreNoInstances || len(s.Instances) != 2 {
		t.Errorf("got %+v", s)
	}
	b.refused("POST", wire.InstancePath("OrdersStore", "orders-1")+"/start", nil, wire.CodeNotThisHost, "orders-1 is on 127.23.1.12")
	b.refused("POST", wire.InstancePath("OrdersStore", "orders-1")+"/stop", nil, wire.CodeNotThisHost, "ask the manager there")
	b.refused("GET", wire.InstancePath("OrdersStore", "orders-1")+"/log", nil, wire.CodeNotThisHost, "")
}

func TestCreateStore_TakenPorts(t *testing.T) {
	b := newHarness(t)
	b.sup.taken[17862] = true
	b.refused("POST", wire.StoresPath(), orders(3, ownHost), wire.CodePortTaken, "127.23.1.11:17862 is taken")
}

func TestRemoveStore_ReadOnlyDisk(t *testing.T) {
	b := newHarness(t)
	b.must("POST", wire.StoresPath(), orders(1, ownHost), wire.CodeOK, "Created")
	blockWrites(t, b.catalog)
	b.refused("DELETE", wire.StorePath("OrdersStore"), nil, wire.CodeReadOnly, "can't be written")
	if len(b.sup.removed) > 0 {
		t.Error("the store's data was removed although the catalog keeps it")
	}
	if s := b.store("OrdersStore"); s.Revision != 1 {
		t.Errorf("got %+v", s)
	}
}

func TestRemoveStore_Removes(t *testing.T) {
	b := newHarness(t)
	b.refused("DELETE", wire.StorePath("OrdersStore"), nil, wire.CodeStoreNotFound, "no store OrdersStore")
	b.must("POST", wire.StoresPath(), orders(2, ownHost), wire.CodeOK, "Created")
	b.must("POST", wire.InstancePath("OrdersStore", "orders-1")+"/start", nil, wire.CodeOK, "Started")
	b.refused("DELETE", wire.StorePath("OrdersStore"), nil, wire.CodeStoreRunning, "orders-1 is running: stop OrdersStore first")
	b.must("DELETE", wire.StorePath("OrdersStore")+"?force=true", nil, wire.CodeOK, "Removed")
	if !slices.Equal(b.sup.removed, []string{"OrdersStore"}) || len(b.catalog.Snapshot().Stores) != 0 {
		t.Errorf("removed %v, stores %v", b.sup.removed, b.catalog.Snapshot().Stores)
	}
}

func TestStores_Status(t *testing.T) {
	own := func(statuses ...wire.Status) []wire.Instance {
		out := []wire.Instance{{Status: wire.Unknown}}
		for _, s := range statuses {
			out = append(out, wire.Instance{Own: true, Status: s})
		}
		return out
	}
	for _, c := range []struct {
		instances []wire.Instance
		want      wire.StoreStatus
	}{
		{own(), wire.StoreNoInstances},
		{own(wire.Running, wire.Running), wire.StoreRunning},
		{own(wire.Stopped, wire.Stopped), wire.StoreStopped},
		{own(wire.Running, wire.Stopped), wire.StorePartial},
		{own(wire.CrashLooping, wire.Stopped), wire.StorePartial},
		{own(wire.Starting), wire.StorePartial},
		{own(wire.Unknown, wire.Unknown), wire.StoreUnknown},
	} {
		if got := status(c.instances); got != c.want {
			t.Errorf("%v: got %s, want %s", c.instances, got, c.want)
		}
	}
}

func TestInfo_HealthMetrics(t *testing.T) {
	b := newHarness(t)
	var info wire.Info
	b.get(wire.InfoPath(), &info)
	if info.Identity != b.catalog.Identity() || info.Host != ownHost || info.Boot != "boot" || info.Version != wire.Version {
		t.Errorf("info %+v", info)
	}
	empty := info.CatalogDigest
	b.must("POST", wire.StoresPath(), orders(1, ownHost), wire.CodeOK, "Created")
	if b.get(wire.InfoPath(), &info); info.CatalogDigest == empty {
		t.Error("the catalog's digest did not change with a new store")
	}
	b.must("GET", wire.HealthPath(), nil, wire.CodeOK, "Alive")
	var m wire.Metrics
	if b.get(wire.MetricsPath(), &m); m.WindowSec != 5 || len(m.Metrics) != 0 {
		t.Errorf("metrics %+v", m)
	}
	if b.get(wire.MetricsPath()+"?windowSec=9&store=OrdersStore", &m); len(m.Metrics) != 2 || *m.Metrics[0].Rate != 9 || m.Metrics[1].Rate != nil {
		t.Errorf("metrics %+v", m)
	}
}

func TestInstance_Log(t *testing.T) {
	b := newHarness(t)
	b.must("POST", wire.StoresPath(), orders(1, ownHost), wire.CodeOK, "Created")
	for path, want := range map[string]string{"/log": "50 lines of orders-1\n", "/log?tail=7": "7 lines of orders-1\n"} {
		status, body := b.send(b.request("GET", wire.InstancePath("OrdersStore", "orders-1")+path, nil))
		if status != http.StatusOK || string(body) != want {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
}
