package admin

import (
	"slices"
	"testing"

	"dkvrun/runtime/wire"
)

func TestAddInstance_New(t *testing.T) {
	b := newHarness(t)
	b.must("POST", wire.StoresPath(), orders(1, ownHost), wire.CodeOK, "Created")
	founders := b.store("OrdersStore").Founders
	change := wire.ChangeInstances{BaseRevision: 1, Nodes: nodes(3, ownHost, otherHost)}
	change.Nodes[0].Manager = "127.23.1.11:9999" // the store's value stays
	b.must("POST", wire.InstancesPath("OrdersStore"), change, wire.CodeOK, "Added orders-2, orders-3")
	before := b.file()
	b.must("POST", wire.InstancesPath("OrdersStore"), change, wire.CodeUnchanged, "Already added")
	if string(before) != string(b.file()) {
		t.Error("the same change again changed the catalog")
	}
	s := b.store("OrdersStore")
	if s.Revision != 2 || len(s.Instances) != 3 || s.Digest != wire.Digest(s.Name, s.Nodes()) ||
		s.Instances[0].Manager != "" {
		t.Errorf("got %+v", s)
	}
	if !slices.Equal(s.Founders, founders) {
		t.Errorf("founders became %v: they are frozen", s.Founders)
	}
	for _, in := range s.Instances {
		if in.Role != wire.Data {
			t.Errorf("of three instances all hold data, got %+v", in)
		}
	}
	if local := b.catalog.Snapshot().Stores["OrdersStore"].Local; len(local) != 2 || local["orders-3"].Desired != wire.DesiredStopped {
		t.Errorf("local %+v", local)
	}
}

func TestAddInstance_RunsWhenTheStoreDoes(t *testing.T) {
	b := newHarness(t)
	b.must("POST", wire.StoresPath(), orders(1, ownHost), wire.CodeOK, "Created")
	b.must("POST", wire.InstancePath("OrdersStore", "orders-1")+"/start", nil, wire.CodeOK, "Started")
	b.must("POST", wire.InstancesPath("OrdersStore"), wire.ChangeInstances{BaseRevision: 1, Nodes: nodes(2, ownHost)}, wire.CodeOK, "Added orders-2")
	b.must("POST", wire.InstancesPath("OrdersStore"),
		wire.ChangeInstances{BaseRevision: 2, Nodes: nodes(3, ownHost), Desired: wire.DesiredStopped}, wire.CodeOK, "Added orders-3")
	local := b.catalog.Snapshot().Stores["OrdersStore"].Local
	if local["orders-2"].Desired != wire.DesiredRunning || local["orders-3"].Desired != wire.DesiredStopped {
		t.Errorf("orders-2 %+v, orders-3 %+v", local["orders-2"], local["orders-3"])
	}
}

func TestAddInstance_ManyAreCounted(t *testing.T) {
	b := newHarness(t)
	b.must("POST", wire.StoresPath(), orders(1, ownHost), wire.CodeOK, "Created")
	b.must("POST", wire.InstancesPath("OrdersStore"), wire.ChangeInstances{BaseRevision: 1, Nodes: nodes(6, ownHost)}, wire.CodeOK, "Added 5 instances, orders-2 to orders-6")
}

func TestAddInstance_PromotesGateway(t *testing.T) {
	b := newHarness(t)
	body := orders(2, ownHost)
	body.Nodes[0].Role, body.Nodes[1].Role = wire.Data, wire.Gateway
	b.must("POST", wire.StoresPath(), body, wire.CodeOK, "Created")
	wider := nodes(3, ownHost)
	wider[0].Role, wider[1].Role, wider[2].Role = wire.Data, wire.Data, wire.Gateway
	b.must("POST", wire.InstancesPath("OrdersStore"), wire.ChangeInstances{BaseRevision: 1, Nodes: wider}, wire.CodeOK, "Added orders-3")
	if s := b.store("OrdersStore"); s.Instances[1].Role != wire.Data || s.Instances[2].Role != wire.Gateway {
		t.Errorf("got %+v", s.Nodes())
	}
}

func TestAddInstance_Refusals(t *testing.T) {
	b := newHarness(t)
	b.must("POST", wire.StoresPath(), orders(2, ownHost), wire.CodeOK, "Created")
	b.sup.taken[17864] = true
	change := func(f func(*wire.ChangeInstances)) wire.ChangeInstances {
		c := wire.ChangeInstances{BaseRevision: 1, Nodes: nodes(3, ownHost)}
		f(&c)
		return c
	}
	for _, c := range []struct {
		code, said string
		change     func(*wire.ChangeInstances)
	}{
		{wire.CodeStaleRevision, "at revision 1, the change builds on 7", func(c *wire.ChangeInstances) { c.BaseRevision = 7 }},
		{wire.CodeBadTopology, "nodes[1].host: orders-2 has 127.23.1.11, not 127.23.1.12", func(c *wire.ChangeInstances) { c.Nodes[1].Host = otherHost }},
		{wire.CodeBadTopology, "nodes[1].clustronPort", func(c *wire.ChangeInstances) { c.Nodes[1].ClustronPort = 19000 }},
		{wire.CodeBadTopology, "nodes[1].clientPort", func(c *wire.ChangeInstances) { c.Nodes[1].ClientPort = 19000 }},
		{wire.CodeBadTopology, "lacks orders-2", func(c *wire.ChangeInstances) { c.Nodes = slices.Delete(c.Nodes, 1, 2) }},
		{wire.CodeBadTopology, "no new instance", func(c *wire.ChangeInstances) { c.Nodes = c.Nodes[:2] }},
		{wire.CodeBadTopology, "orders-1 holds data", func(c *wire.ChangeInstances) { c.Nodes[0].Role = wire.Gateway }},
		{wire.CodePortTaken, "17864 is taken", func(c *wire.ChangeInstances) { c.Nodes = nodes(4, ownHost) }},
		{wire.CodeStoreExists, "is another one here", func(c *wire.ChangeInstances) { c.Operation = operation }},
	} {
		b.refused("POST", wire.InstancesPath("OrdersStore"), change(c.change), c.code, c.said)
	}
	b.refused("POST", wire.InstancesPath("Other"), change(func(*wire.ChangeInstances) {}), wire.CodeStoreNotFound, "give its operation, managers and founders")
}

func TestAddInstance_UnknownStore(t *testing.T) {
	b := newHarness(t)
	all := nodes(4, otherHost, otherHost, ownHost)
	known := wire.AssignRoles(all[:2])
	change := wire.ChangeInstances{
		BaseRevision: 5, Nodes: append(known, all[2:]...), Operation: operation, Epoch: 3,
		Managers: []wire.Manager{{Identity: "a", URL: "http://127.23.1.12:7801"}}, Coordinator: "a",
		Founders: wire.Founders(known[:1]), Desired: wire.DesiredRunning,
	}
	lacks := change
	lacks.Founders = nil
	b.refused("POST", wire.InstancesPath("OrdersStore"), lacks, wire.CodeStoreNotFound, "founders too")
	noData := change
	noData.Nodes = nodes(4, otherHost, otherHost, ownHost)
	b.refused("POST", wire.InstancesPath("OrdersStore"), noData, wire.CodeBadTopology, "give the roles that the store's other managers have")

	b.must("POST", wire.InstancesPath("OrdersStore"), change, wire.CodeOK, "Added orders-3")
	s := b.store("OrdersStore")
	if s.Revision != 6 || s.Epoch != 3 || s.Creation != operation || s.Coordinator != "a" ||
		!slices.Equal(s.Founders, change.Founders) {
		t.Errorf("got %+v", s)
	}
	if !slices.Equal(s.Nodes(), wire.AssignRoles(change.Nodes)) {
		t.Errorf("nodes %+v", s.Nodes())
	}
	if local := b.catalog.Snapshot().Stores["OrdersStore"].Local; len(local) != 1 || local["orders-3"].Desired != wire.DesiredRunning {
		t.Errorf("local %+v", local)
	}
	b.must("POST", wire.InstancesPath("OrdersStore"), change, wire.CodeUnchanged, "Already added")
	b.refused("POST", wire.InstancesPath("ordersstore"), change, wire.CodeStoreExists, "differ only in case")
	if s.Instances[2].Status != wire.Joining {
		t.Errorf("status %s", s.Instances[2].Status)
	}

	elsewhere := change
	elsewhere.Nodes = wire.AssignRoles(nodes(4, otherHost))
	b.must("POST", wire.InstancesPath("Elsewhere"), elsewhere, wire.CodeOK, "Added none of this server's")
}

func TestAddInstance_FoundingReassignsRoles(t *testing.T) {
	b := newHarness(t)
	b.must("POST", wire.StoresPath(), orders(2, ownHost), wire.CodeOK, "Created")
	wider := nodes(3, ownHost, ownHost, otherHost)
	b.must("POST", wire.InstancesPath("OrdersStore"), wire.ChangeInstances{BaseRevision: 1, Nodes: wider, Founding: true}, wire.CodeOK, "Added orders-3")
	s := b.store("OrdersStore")
	if want := wire.AssignRoles(wider); !slices.Equal(s.Nodes(), want) || !slices.Equal(s.Founders, wire.Founders(want)) {
		t.Errorf("got %+v, founders %v", s.Nodes(), s.Founders)
	}
	b.must("DELETE", wire.InstancePath("OrdersStore", "orders-1")+"?founding=true&baseRevision=2", nil, wire.CodeOK, "Removed")
	s = b.store("OrdersStore")
	if len(s.Founders) != 2 || len(s.Leaving) != 0 || s.Revision != 3 {
		t.Errorf("an instance that never ran just goes: %+v", s)
	}
	b.must("POST", wire.InstancePath("OrdersStore", "orders-2")+"/start", nil, wire.CodeOK, "Started")
	for range 2 {
		wider := append(slices.Clone(s.Nodes()), wire.Node{Name: "orders-9", Host: ownHost, ClustronPort: 18000, ClientPort: 18001})
		b.refused("POST", wire.InstancesPath("OrdersStore"), wire.ChangeInstances{BaseRevision: 3, Nodes: wider, Founding: true},
			wire.CodeStoreStarted, "orders-2 has been started")
		b.refused("DELETE", wire.InstancePath("OrdersStore", "orders-2")+"?founding=true", nil, wire.CodeStoreStarted, "orders-2")
		// The mark of the first start stays after a stop.
		b.do("POST", wire.InstancePath("OrdersStore", "orders-2")+"/stop", nil)
	}
}
