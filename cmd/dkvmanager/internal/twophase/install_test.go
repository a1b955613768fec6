package twophase

import (
	"testing"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

func startAll(d *catalog.Data) error {
	for _, s := range d.Stores {
		for _, l := range s.Local {
			l.Desired = wire.DesiredRunning
		}
	}
	return nil
}

func forgetNames(d *catalog.Data) error {
	d.Names = nil
	return nil
}

// narrowed returns the operation that removes orders-1 from the topology.
func (f *cluster) narrowed() wire.Operation {
	c := f.create(id(2), 2)
	c.Action, c.Creation, c.BaseRevision, c.BaseOperation = wire.RemoveInstanceAction, id(1), 1, id(1)
	c.Nodes = c.Nodes[1:]
	return c
}

func TestInstall_RemovedInstanceLeaves(t *testing.T) {
	f := newCluster(t)
	f.createStore()
	c := f.narrowed()
	f.prepare(c)
	f.commit(c)
	local := f.all[0].store().Local["orders-1"]
	if local == nil || local.Leaving == nil || local.Leaving.Name != "orders-1" || local.LoseData {
		t.Errorf("got %+v", local)
	}
	if len(f.all[1].store().Local) != 1 {
		t.Errorf("another server has %v", f.all[1].store().Local)
	}

	// While it is leaving, no instance of its name can be added.
	again := f.create(id(3), 3)
	again.Action, again.Creation, again.BaseRevision, again.BaseOperation = wire.AddInstanceAction, id(1), 2, id(2)
	_, err := f.all[0].Prepare(again)
	f.refused(err, wire.CodeStoreBusy)
}

func TestInstall_NeverStartedInstanceIsRemovedAtOnce(t *testing.T) {
	f := newCluster(t)
	f.createStore()
	c := f.narrowed()
	c.Founding, c.Founders = true, wire.Founders(c.Nodes)
	f.prepare(c)
	f.commit(c)
	if local := f.all[0].store().Local; len(local) != 0 {
		t.Errorf("got %v", local)
	}
	if len(f.all[0].store().Founders) != 2 {
		t.Errorf("founders %v", f.all[0].store().Founders)
	}
}

func TestInstall_StartedStoreIsNotFoundedAgain(t *testing.T) {
	f := newCluster(t)
	f.createStore()
	if err := f.all[0].Catalog.Update(startAll); err != nil {
		t.Fatal(err)
	}
	c := f.narrowed()
	c.Founding = true
	_, err := f.all[0].Prepare(c)
	f.refused(err, wire.CodeStoreStarted)
}

func TestParticipant_RemovedFounderJoins(t *testing.T) {
	f := newCluster(t)
	c := f.createStore()
	if err := f.all[0].Catalog.Update(func(d *catalog.Data) error {
		delete(d.Stores["OrdersStore"].Local, "orders-1") // it has left the running store
		d.Stores["OrdersStore"].Nodes = c.Nodes[1:]
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	again := f.create(id(2), 2)
	again.Action, again.Creation, again.BaseRevision, again.BaseOperation, again.Desired = wire.AddInstanceAction, id(1),
		1, id(1), wire.DesiredRunning
	f.prepare(again)
	f.commit(again)
	local := f.all[0].store().Local["orders-1"]
	if local == nil || !local.Bootstrapped || local.Desired != wire.DesiredRunning {
		t.Errorf("got %+v", local)
	}
}
