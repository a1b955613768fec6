package twophase

import (
	"errors"
	"strings"
	"testing"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// alterations are fields of a prepare that can be changed in transit.
var alterations = map[string]func(f *cluster, c *wire.Operation){
	"the client port of the manager's instance": func(_ *cluster, c *wire.Operation) { c.Nodes[1].ClientPort = 7899 },
	"the client port of another's instance":     func(_ *cluster, c *wire.Operation) { c.Nodes[2].ClientPort = 7899 },
	"the name of an instance":                   func(_ *cluster, c *wire.Operation) { c.Nodes[1].Name = "orders-9" },
	"a role":                                    func(_ *cluster, c *wire.Operation) { c.Nodes[1].Role = wire.Gateway },
	"the host of the manager's instance":        func(_ *cluster, c *wire.Operation) { c.Nodes[1].Host = "127.64.0.99" },
	"the address of the coordinator":            func(_ *cluster, c *wire.Operation) { c.Managers[0].URL = "http://127.64.0.99:7801" },
	"the creating operation":                    func(_ *cluster, c *wire.Operation) { c.Creation = id(9) },
	"a founder":                                 func(_ *cluster, c *wire.Operation) { c.Founders[1].ClustronPort = 7899 },
}

// altered is the operation that creates the store with one field changed.
func (f *cluster) altered(alter func(*cluster, *wire.Operation)) wire.Operation {
	c := f.create(id(1), 1)
	alter(f, &c)
	return c
}

// newDifferingCluster returns a cluster whose second manager has committed the creation of the store with one field
// changed.
func newDifferingCluster(t *testing.T, alter func(*cluster, *wire.Operation)) *cluster {
	f := newCluster(t)
	for _, m := range f.all {
		c := f.create(id(1), 1)
		if m == f.all[1] {
			c = f.altered(alter)
		}
		if _, err := m.Prepare(c); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Commit(c.ID, c.Epoch); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// alike fails the test unless all managers have the store with the coordinator's content.
func (f *cluster) alike() {
	f.t.Helper()
	want := f.all[0].store().Configuration()
	for i, m := range f.all {
		s := m.store()
		if s == nil {
			f.t.Fatalf("%s has no store", m.host)
		}
		got := s.Configuration()
		if !got.SameContent(want) || got.LastOperation != want.LastOperation || got.Digest != want.Digest {
			f.t.Errorf("%s has another content: %s", m.host, wire.DescribeContentDifference(got, want))
		}
		own := want.Nodes[i].Name
		if local := s.Local[own]; len(s.Local) != 1 || local == nil || local.Leaving != nil || local.Bootstrapped {
			f.t.Errorf("%s has the instances %v, want %s", m.host, s.Local, own)
		}
	}
}

// A driver that counted votes whatever their content left managers that differ: they take the coordinator's content.
func TestParticipant_TakesTheContentOfTheCoordinator(t *testing.T) {
	for name, alter := range alterations {
		t.Run(name, func(t *testing.T) {
			f := newDifferingCluster(t, alter)
			if wire.DescribeContentDifference(f.all[1].store().Configuration(), f.all[0].store().Configuration()) == "" {
				t.Fatal("the contents don't differ")
			}
			for _, m := range f.all {
				if err := m.reconcile(ctx); err != nil && !strings.Contains(name, "address") {
					t.Fatal(err)
				}
			}
			f.alike()
			before := f.all[1].Catalog.Snapshot().Digest()
			for _, m := range f.all {
				if err := m.reconcile(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if f.all[1].Catalog.Snapshot().Digest() != before {
				t.Error("the second comparison changes something")
			}
		})
	}
}

// A repair heals at once, also a manager that has a wrong address of the coordinator.
func TestParticipant_ResolveTakesTheContentOfTheCoordinator(t *testing.T) {
	for name, alter := range alterations {
		t.Run(name, func(t *testing.T) {
			f := newDifferingCluster(t, alter)
			if _, err := f.all[1].ResolveStore(ctx, "OrdersStore", f.all[0].url()); err != nil {
				t.Fatal(err)
			}
			f.alike()
		})
	}
}

// A manager in doubt commits what its coordinator has committed, not what it holds itself.
func TestParticipant_InDoubtTakesTheContentOfTheCoordinator(t *testing.T) {
	f := newCluster(t)
	c, other := f.create(id(1), 1), f.altered(func(_ *cluster, c *wire.Operation) { c.Nodes[1].ClientPort = 7899 })
	for _, m := range f.all {
		sent := c
		if m == f.all[1] {
			sent = other
		}
		if _, err := m.Prepare(sent); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.all[0].Commit(c.ID, c.Epoch); err != nil {
		t.Fatal(err)
	}
	f.resolve()
	f.alike()
	for _, m := range f.all {
		op, err := m.Operation(c.ID)
		if err != nil || op.State != wire.OperationCommitted || op.Digest != c.Digest() || op.Store != c.Store {
			t.Errorf("%s: %+v, %v", m.host, op, err)
		}
	}
}

// An instance that ran at a wrong address stays the same instance; one that the store does not have leaves.
func TestParticipant_InstancesThatRanKeepTheirState(t *testing.T) {
	for name, test := range map[string]struct {
		alter  func(*cluster, *wire.Operation)
		leaves string
	}{
		"port": {alterations["the client port of the manager's instance"], ""},
		"name": {alterations["the name of an instance"], "orders-9"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newCluster(t)
			for _, m := range f.all {
				c := f.create(id(1), 1)
				if m == f.all[1] {
					c = f.altered(test.alter)
				}
				if _, err := m.Prepare(c); err != nil {
					t.Fatal(err)
				}
				if _, err := m.Commit(c.ID, c.Epoch); err != nil {
					t.Fatal(err)
				}
			}
			b := f.all[1]
			err := b.Catalog.Update(func(d *catalog.Data) error {
				for _, l := range d.Stores["OrdersStore"].Local {
					l.Desired, l.Started, l.Bootstrapped = wire.DesiredRunning, true, true
				}
				return nil
			})
			if err := errors.Join(err, b.reconcile(ctx)); err != nil {
				t.Fatal(err)
			}
			local := b.store().Local
			if own := local["orders-2"]; own == nil || own.Leaving != nil || own.Desired != wire.DesiredRunning {
				t.Errorf("orders-2: %+v", own)
			}
			if test.leaves != "" && (local[test.leaves] == nil || local[test.leaves].Leaving == nil) {
				t.Errorf("%s: %+v", test.leaves, local[test.leaves])
			}
		})
	}
}

// A coordinator that was replaced is not followed, even if it names itself the coordinator.
func TestParticipant_FencedCoordinatorChangesNoContent(t *testing.T) {
	f := newCluster(t)
	f.createStore()
	err := f.all[1].Catalog.Update(func(d *catalog.Data) error {
		s := d.Stores["OrdersStore"]
		s.Coordinator, s.Managers = f.all[1].self(), s.Managers[1:]
		d.SetName("OrdersStore", func(n *catalog.Name) { n.Fenced = []string{f.all[0].self()} })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	there, err := f.all[0].State("OrdersStore")
	if err := errors.Join(err, f.all[1].reconcileStore("OrdersStore", &there)); err != nil {
		t.Fatal(err)
	}
	if s := f.all[1].store(); s.Coordinator != f.all[1].self() || len(s.Managers) != 2 {
		t.Errorf("%+v", s)
	}
}
