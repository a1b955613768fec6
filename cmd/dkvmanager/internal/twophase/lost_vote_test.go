package twophase

import (
	"testing"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// forgetStore is a catalog from before the store's first vote.
func forgetStore(d *catalog.Data) error {
	d.Names = nil
	delete(d.Stores, "OrdersStore")
	return nil
}

func TestParticipant_ForgottenStoreIsTakenFromItsHome(t *testing.T) {
	f := newFleet(t)
	c := f.create(id(1), 1)
	f.prepare(c)
	away := f.all[2]
	away.doubt(forgetStore)
	if err := f.all[0].Reconcile(ctx); err != nil || away.store() != nil {
		t.Errorf("before the home has decided it has %+v, %v", away.store(), err)
	}
	for _, m := range f.all[:2] {
		if _, err := m.Commit(c.ID, c.Epoch); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.all[1].Reconcile(ctx); err != nil || away.store() != nil {
		t.Errorf("from one that is not the home it took %+v, %v", away.store(), err)
	}
	if err := f.all[0].Reconcile(ctx); err != nil {
		t.Fatal(err)
	}
	s := away.store()
	if s == nil || s.LastCommitted() != c.ID || s.Coordinator != f.all[0].self() || s.Epoch != 1 {
		t.Fatalf("it has %+v", s)
	}
	if local := s.Local["orders-3"]; local == nil || local.Bootstrapped || local.Desired != wire.DesiredStopped {
		t.Errorf("its instance is %+v", local)
	}
	next := f.narrowed()
	f.prepare(next) // it votes again
	f.commit(next)
}

func TestParticipant_WhatIsNotForgottenStaysAway(t *testing.T) {
	for name, with := range map[string]func(f *fleet){
		"removed here": func(f *fleet) {
			_ = f.all[2].Catalog.Update(func(d *catalog.Data) error { RemoveStore(d, "OrdersStore", ""); return nil })
		},
		"made by each for itself": func(f *fleet) {
			f.all[2].doubt(forgetStore)
			_ = f.all[0].Catalog.Update(func(d *catalog.Data) error { d.Stores["OrdersStore"].LastOperation = ""; return nil })
		},
		"the home was declared lost here": func(f *fleet) {
			f.all[2].doubt(forgetStore)
			f.all[2].named(func(n *catalog.Name) { n.Fenced = []string{f.all[0].self()} })
		},
		"a repair is on here": func(f *fleet) {
			f.all[2].doubt(forgetStore)
			f.all[2].named(func(n *catalog.Name) { n.Replacing = f.all[0].self() })
		},
		"the home has another change under way": func(f *fleet) {
			f.all[2].doubt(forgetStore)
			if _, err := f.all[0].Prepare(f.narrowed()); err != nil {
				f.t.Fatal(err)
			}
		},
		"the home is suspect": func(f *fleet) {
			f.all[2].doubt(forgetStore)
			f.all[0].doubt(func(*catalog.Data) error { return nil })
		},
		"another store of that name": func(f *fleet) {
			_ = f.all[2].Catalog.Update(func(d *catalog.Data) error {
				d.Names = nil
				s := d.Stores["OrdersStore"]
				delete(d.Stores, s.Name)
				s.Name, s.LastOperation = "ORDERSSTORE", id(9)
				d.Stores[s.Name] = s
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			f.made()
			with(f)
			if err := f.all[0].Reconcile(ctx); err != nil {
				t.Fatal(err)
			}
			if _, err := f.all[2].ResolveStore(ctx, "OrdersStore", f.all[0].url()); err != nil {
				t.Fatal(err)
			}
			if s := f.all[2].store(); s != nil {
				t.Errorf("it took %+v", s)
			}
		})
	}
}

func TestParticipant_HomeThatIsSilentIsSaidToBe(t *testing.T) {
	f := newFleet(t)
	f.made()
	f.all[2].doubt(forgetStore)
	f.down[f.all[0].host] = true
	_, err := f.all[2].ResolveStore(ctx, "OrdersStore", f.all[0].url())
	f.refused(err, wire.CodeCoordinatorSilent)
}

// What the coordinator has decided holds without the log of how changes ended, which is bounded.
func TestParticipant_WhatIsForgottenStillHolds(t *testing.T) {
	f := newFleet(t)
	dropped := f.create(id(1), 1)
	f.prepare(dropped)
	for _, m := range f.all {
		if _, err := m.Abort(dropped.ID, wire.AbortRequest{Store: dropped.Store, Epoch: 1}); err != nil {
			t.Fatal(err)
		}
	}
	c := f.create(id(2), 2)
	f.prepare(c)
	coordinator := f.all[0]
	if _, err := coordinator.Commit(c.ID, c.Epoch); err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		if _, err := coordinator.Abort(id(100+n), wire.AbortRequest{Store: c.Store, Epoch: 2}); err != nil {
			t.Fatal(err)
		}
	}
	if coordinator.state(dropped.ID) != wire.OperationUnknown || coordinator.state(c.ID) != wire.OperationUnknown {
		t.Fatal("nothing was forgotten")
	}
	_, err := coordinator.Prepare(dropped)
	if err == nil {
		t.Error("a change that was dropped was voted for again")
	}
	f.resolve()
	for _, m := range f.all {
		if m.store() == nil {
			t.Errorf("%s did not follow: %s", m.host, m.state(c.ID))
		}
	}
}
