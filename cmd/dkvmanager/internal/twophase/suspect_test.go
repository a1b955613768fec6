package twophase

import (
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// doubt makes a manager suspect. change edits its catalog to the older generation that it restarts on.
func (m *member) doubt(change func(*catalog.Data) error) {
	m.cluster.t.Helper()
	if err := m.Catalog.Update(change); err != nil {
		m.cluster.t.Fatal(err)
	}
	if err := m.Catalog.Update(func(d *catalog.Data) error { suspectAll(d); return nil }); err != nil {
		m.cluster.t.Fatal(err)
	}
	m.open()
}

func TestSuspect_RecoversFromTheCoordinator(t *testing.T) {
	f := newCluster(t)
	f.createStore()
	c := f.narrowed()
	f.prepare(c)
	away := f.all[2]
	away.doubt(forgetNames)
	_, err := away.Commit(c.ID, c.Epoch)
	f.refused(err, wire.CodeOperationNotFound)
	later := f.narrowed()
	later.ID, later.Epoch = id(3), 3
	_, err = away.Prepare(later)
	f.refused(err, wire.CodeSuspect)

	// The operation is still prepared at the coordinator, so its outcome is not known.
	if err := away.reconcile(ctx); err != nil {
		t.Fatal(err)
	}
	_, err = away.Prepare(later)
	f.refused(err, wire.CodeSuspect)
	for _, m := range f.all[:2] {
		if _, err := m.Commit(c.ID, c.Epoch); err != nil {
			t.Fatal(err)
		}
	}
	if err := away.reconcile(ctx); err != nil {
		t.Fatal(err)
	}
	if s := away.store(); s.LastCommitted() != c.ID {
		t.Errorf("it has %s", s.LastCommitted())
	}
	later.BaseRevision, later.BaseOperation, later.Nodes = 2, c.ID, c.Nodes[1:]
	if _, err = away.Prepare(later); err != nil {
		t.Errorf("once it has caught up: %v", err)
	}
}

func TestSuspect_CoordinatorDecidesNothing(t *testing.T) {
	f := newCluster(t)
	c := f.create(id(1), 1)
	f.prepare(c)
	coordinator := f.all[0]
	coordinator.doubt(forgetNames)
	f.resolve()
	if got := f.all[1].state(c.ID); got != wire.OperationPrepared {
		t.Errorf("the others followed it: %s", got)
	}
	_, err := coordinator.Prepare(f.create(id(2), 2))
	f.refused(err, wire.CodeSuspect)
}

func TestSuspect_SurvivorFencesOnlyASilentCoordinator(t *testing.T) {
	f := newCluster(t)
	f.createStore()
	f.all[1].doubt(func(*catalog.Data) error { return nil })
	lost := wire.FenceRequest{Lost: f.all[0].self()}
	f.down[f.all[0].host] = true
	_, err := f.all[1].FenceCoordinator(ctx, "OrdersStore", lost)
	f.refused(err, wire.CodeCoordinatorAlive)
	f.now = f.now.Add(wire.ExpireAfter + coordinatorGrace + time.Second)
	if s, err := f.all[1].FenceCoordinator(ctx, "OrdersStore", lost); err != nil || !s.Suspect {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestSuspect_StaysAfterARestart(t *testing.T) {
	f := newCluster(t)
	f.createStore()
	c := f.narrowed()
	f.prepare(c)
	coordinator := f.all[0]
	if err := coordinator.Catalog.Update(func(d *catalog.Data) error { suspectAll(d); return nil }); err != nil {
		t.Fatal(err)
	}
	coordinator.open() // with an undamaged catalog
	f.now = f.now.Add(wire.ExpireAfter + time.Second)
	f.resolve()
	if got := coordinator.state(c.ID); got != wire.OperationPrepared {
		t.Errorf("it decided that the operation is %s", got)
	}
	_, err := coordinator.Abort(c.ID, wire.AbortRequest{Store: c.Store, Epoch: c.Epoch})
	f.refused(err, wire.CodeSuspect)
	if got := f.all[1].state(c.ID); got != wire.OperationPrepared {
		t.Errorf("another one followed it: %s", got)
	}
}

func TestSuspect_RemainingVoteIsSuspect(t *testing.T) {
	f := newCluster(t)
	c := f.create(id(1), 1)
	f.prepare(c)
	coordinator := f.all[0]
	if err := coordinator.Catalog.Update(func(d *catalog.Data) error { suspectAll(d); return nil }); err != nil {
		t.Fatal(err)
	}
	coordinator.open() // it may have committed in the generation that was lost
	f.resolve()
	for _, m := range f.all {
		if got := m.state(c.ID); got != wire.OperationPrepared {
			t.Errorf("%s decided that the operation is %s", m.host, got)
		}
	}
}

// A suspect manager with only a vote for a store follows the decision of the coordinator.
func TestSuspect_VoteFollowsTheCoordinator(t *testing.T) {
	for _, committed := range []bool{true, false} {
		f := newCluster(t)
		c := f.create(id(1), 1)
		f.prepare(c)
		away := f.all[2]
		away.doubt(func(*catalog.Data) error { return nil })
		if err := away.Resolve(ctx); err != nil || away.state(c.ID) != wire.OperationPrepared {
			t.Errorf("before the coordinator has decided: %s, %v", away.state(c.ID), err)
		}
		want := wire.OperationAborted
		if committed {
			want = wire.OperationCommitted
			if _, err := f.all[0].Commit(c.ID, c.Epoch); err != nil {
				t.Fatal(err)
			}
		} else if _, err := f.all[0].Abort(c.ID, wire.AbortRequest{Store: c.Store, Epoch: c.Epoch}); err != nil {
			t.Fatal(err)
		}
		if err := away.Resolve(ctx); err != nil || away.state(c.ID) != want || (away.store() != nil) != committed {
			t.Errorf("want %s: it has %s and %+v, %v", want, away.state(c.ID), away.store(), err)
		}
		if len(away.Catalog.Snapshot().SuspectStores) > 0 {
			t.Error("it is still in doubt")
		}
	}
}

func TestSuspect_RemovalClearsTheMark(t *testing.T) {
	f := newCluster(t)
	f.createStore()
	away := f.all[2]
	away.doubt(func(*catalog.Data) error { return nil })
	err := away.Catalog.Update(func(d *catalog.Data) error {
		RemoveStore(d, "OrdersStore", "")
		d.SuspectNames = false // the doubt about stores that it does not know is another one
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	away.open()
	next := f.narrowed()
	if _, err := away.Prepare(next); err != nil { // as a joiner
		t.Error(err)
	}
}

func TestSuspect_CoordinatorDropsWhatWasReplaced(t *testing.T) {
	f := newCluster(t)
	c := f.create(id(1), 1)
	f.prepare(c)
	coordinator := f.all[0]
	if err := coordinator.Catalog.Update(func(d *catalog.Data) error { suspectAll(d); return nil }); err != nil {
		t.Fatal(err)
	}
	f.now = f.now.Add(wire.ExpireAfter + coordinatorGrace + time.Second)
	f.fence()
	if err := coordinator.Resolve(ctx); err != nil || coordinator.state(c.ID) != wire.OperationPrepared {
		t.Errorf("before the repair has ended: %s, %v", coordinator.state(c.ID), err)
	}
	f.decide()
	if err := coordinator.Resolve(ctx); err != nil || coordinator.state(c.ID) != wire.OperationAborted {
		t.Errorf("after the repair: %s, %v", coordinator.state(c.ID), err)
	}
	coordinator.open()
	if got := coordinator.Catalog.Snapshot().SuspectStores; len(got) > 0 {
		t.Errorf("it still doubts %v", got)
	}
}

func TestReplacement_LostManagerCanRemoveItsStore(t *testing.T) {
	f := newCluster(t)
	f.createStore()
	f.prepare(f.narrowed())
	away := f.all[2]
	away.named(func(n *catalog.Name) { n.DeclaredLost = true })
	err := away.Catalog.Update(func(d *catalog.Data) error { RemoveStore(d, "OrdersStore", ""); return nil })
	if n := away.Catalog.Snapshot().Name("OrdersStore"); err != nil || n.Prepared != nil || n.DeclaredLost {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestSuspect_CoordinatorCanBeReplaced(t *testing.T) {
	f := newCluster(t)
	f.createStore()
	f.all[0].doubt(func(*catalog.Data) error { return nil })
	_, err := f.all[1].ResolveStore(ctx, "OrdersStore", "")
	f.refused(err, wire.CodeCoordinatorSilent)
	f.fence()
	f.decide()
	if err := f.all[0].reconcile(ctx); err != nil {
		t.Fatal(err)
	}
	if !f.all[0].Catalog.Snapshot().Name("OrdersStore").DeclaredLost {
		t.Error("the old coordinator does not know that it is out")
	}
}

// A manager falls back to a generation in which the store is an earlier one of the same name. It follows the
// coordinator, and only the earlier store's folder is deleted.
func TestSuspect_TakesTheStoreThatWasCreatedAnew(t *testing.T) {
	f := newCluster(t)
	f.createStore()
	away := f.all[2]
	earlier := away.store().Creation
	away.doubt(func(d *catalog.Data) error {
		s := d.Stores["OrdersStore"]
		for _, coordinator := range f.all[:2] {
			if err := coordinator.Catalog.Update(func(d *catalog.Data) error {
				s := d.Stores["OrdersStore"]
				s.Creation, s.LastOperation, s.Epoch = id(7), id(7), 7
				return nil
			}); err != nil {
				return err
			}
		}
		s.Epoch = 1
		return nil
	})
	if err := away.reconcile(ctx); err != nil {
		t.Fatal(err)
	}
	d := away.Catalog.Snapshot()
	if s := d.Stores["OrdersStore"]; s.Creation != id(7) || s.LastCommitted() != id(7) || len(s.Local) != 1 {
		t.Errorf("it has creation %s, change %s, own instances %v", s.Creation, s.LastCommitted(), s.Local)
	}
	if len(d.Deletions) != 1 || d.Deletions[0].Operation != earlier {
		t.Errorf("to be deleted are %+v, want the folder of creation %s alone", d.Deletions, earlier)
	}
}

// forgetStore returns the catalog to a state from before the vote for the store.
func forgetStore(d *catalog.Data) error {
	d.Names = nil
	delete(d.Stores, "OrdersStore")
	return nil
}

func TestParticipant_RecoversALostVote(t *testing.T) {
	f := newCluster(t)
	c := f.create(id(1), 1)
	f.prepare(c)
	away := f.all[2]
	away.doubt(forgetStore)
	if err := f.all[0].reconcile(ctx); err != nil || away.store() != nil {
		t.Errorf("before the coordinator has decided it has %+v, %v", away.store(), err)
	}
	for _, m := range f.all[:2] {
		if _, err := m.Commit(c.ID, c.Epoch); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.all[1].reconcile(ctx); err != nil || away.store() != nil {
		t.Errorf("from one that is not the coordinator it took %+v, %v", away.store(), err)
	}
	if err := f.all[0].reconcile(ctx); err != nil {
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

func TestSuspect_InstallsNothingWithoutALostVote(t *testing.T) {
	for name, with := range map[string]func(f *cluster){
		"removed here": func(f *cluster) {
			_ = f.all[2].Catalog.Update(func(d *catalog.Data) error { RemoveStore(d, "OrdersStore", ""); return nil })
		},
		"created with atomic = false": func(f *cluster) {
			f.all[2].doubt(forgetStore)
			_ = f.all[0].Catalog.Update(func(d *catalog.Data) error { d.Stores["OrdersStore"].LastOperation = ""; return nil })
		},
		"the coordinator was declared lost here": func(f *cluster) {
			f.all[2].doubt(forgetStore)
			f.all[2].named(func(n *catalog.Name) { n.Fenced = []string{f.all[0].self()} })
		},
		"a replacement is in progress": func(f *cluster) {
			f.all[2].doubt(forgetStore)
			f.all[2].named(func(n *catalog.Name) { n.Replacing = f.all[0].self() })
		},
		"the coordinator has another prepared operation": func(f *cluster) {
			f.all[2].doubt(forgetStore)
			if _, err := f.all[0].Prepare(f.narrowed()); err != nil {
				f.t.Fatal(err)
			}
		},
		"the coordinator is suspect": func(f *cluster) {
			f.all[2].doubt(forgetStore)
			f.all[0].doubt(func(*catalog.Data) error { return nil })
		},
		"another store of that name": func(f *cluster) {
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
			f := newCluster(t)
			f.createStore()
			with(f)
			if err := f.all[0].reconcile(ctx); err != nil {
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

func TestParticipant_ReportsASilentCoordinator(t *testing.T) {
	f := newCluster(t)
	f.createStore()
	f.all[2].doubt(forgetStore)
	f.down[f.all[0].host] = true
	_, err := f.all[2].ResolveStore(ctx, "OrdersStore", f.all[0].url())
	f.refused(err, wire.CodeCoordinatorSilent)
}

// The coordinator's decision stands even if its decision record was dropped, since their number is bounded.
func TestSuspect_DecisionStandsWithoutItsRecord(t *testing.T) {
	f := newCluster(t)
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
