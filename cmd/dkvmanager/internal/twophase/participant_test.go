package twophase

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

func TestParticipant_CommitInstallsTheConfiguration(t *testing.T) {
	f := newCluster(t)
	c := f.create(id(1), 1)
	f.prepare(c)
	for _, m := range f.all {
		if m.store() != nil {
			t.Errorf("%s has the store before the commit", m.host)
		}
	}
	f.commit(c)
	for i, m := range f.all {
		s := m.store()
		if s == nil || s.Revision != 1 || s.Epoch != 1 || s.LastCommitted() != c.ID || s.Coordinator != f.all[0].self() ||
			s.Digest != wire.Digest(c.Store, c.Nodes) {
			t.Fatalf("%s has %+v", m.host, s)
		}
		if len(s.Local) != 1 || s.Local[c.Nodes[i].Name] == nil {
			t.Errorf("%s takes %v for its own", m.host, s.Local)
		}
		if m.Catalog.Snapshot().Name(c.Store).Prepared != nil {
			t.Errorf("%s still holds the change", m.host)
		}
	}
	f.commit(c) // a repeated commit gets the same answer
	f.prepareAgain(c)
}

// prepareAgain sends a prepare that is late or repeated.
func (f *cluster) prepareAgain(c wire.Operation) {
	f.t.Helper()
	for _, m := range f.all {
		if op, err := m.Prepare(c); err != nil || op.State != wire.OperationCommitted {
			f.t.Errorf("%s answers a late prepare with %+v, %v", m.host, op, err)
		}
	}
}

func TestParticipant_AbortLeavesNothing(t *testing.T) {
	f := newCluster(t)
	c := f.create(id(1), 1)
	f.prepare(c)
	for _, m := range f.all {
		if op, err := m.Abort(c.ID, wire.AbortRequest{Store: c.Store, Epoch: 1}); err != nil ||
			op.State != wire.OperationAborted {
			t.Fatalf("%+v, %v", op, err)
		}
		_, err := m.Prepare(c)
		f.refused(err, wire.CodeOperationAborted)
		_, err = m.Commit(c.ID, 1)
		f.refused(err, wire.CodeOperationAborted)
		if m.store() != nil {
			t.Errorf("%s has the store", m.host)
		}
	}
	f.prepare(f.create(id(2), 2)) // names and ports are free again
}

func TestParticipant_AbortBeforeThePrepare(t *testing.T) {
	f := newCluster(t)
	c := f.create(id(1), 1)
	if _, err := f.all[1].Abort(c.ID, wire.AbortRequest{Store: c.Store, Epoch: 1}); err != nil {
		t.Fatal(err)
	}
	_, err := f.all[1].Prepare(c)
	f.refused(err, wire.CodeOperationAborted)
}

func TestParticipant_AbortAfterCommitReportsCommitted(t *testing.T) {
	f := newCluster(t)
	c := f.createStore()
	if op, err := f.all[0].Abort(c.ID, wire.AbortRequest{Store: c.Store}); err != nil ||
		op.State != wire.OperationCommitted {
		t.Errorf("%+v, %v", op, err)
	}
	if f.all[0].store() == nil {
		t.Error("the store is gone")
	}
}

func TestParticipant_SameIDWithAnotherContent(t *testing.T) {
	f := newCluster(t)
	c := f.create(id(1), 1)
	f.prepare(c)
	f.prepare(c)
	other := c
	other.Nodes = c.Nodes[:2]
	_, err := f.all[1].Prepare(other)
	f.refused(err, wire.CodeOperationDiffers)
	f.commit(c)
	_, err = f.all[1].Prepare(other)
	f.refused(err, wire.CodeOperationDiffers)
}

func TestParticipant_Epochs(t *testing.T) {
	f := newCluster(t)
	f.createStore()
	c := f.create(id(2), 1)
	c.Action, c.Creation, c.BaseRevision, c.BaseOperation = wire.AddInstanceAction, id(1), 1, id(1)
	_, err := f.all[0].Prepare(c)
	if r := f.refused(err, wire.CodeStaleEpoch); r.Epoch != 1 {
		t.Errorf("the refusal has epoch %d", r.Epoch)
	}
	c.Epoch = 2
	f.prepare(c)
	c.Epoch = 5 // some manager had seen epoch 4
	f.prepare(c)
	_, err = f.all[0].Commit(c.ID, 2)
	f.refused(err, wire.CodeStaleEpoch)
	f.commit(c)
	if epoch := f.all[2].store().Epoch; epoch != 5 {
		t.Errorf("epoch %d", epoch)
	}
}

func TestParticipant_OneOperationAtATime(t *testing.T) {
	f := newCluster(t)
	c := f.create(id(1), 1)
	f.prepare(c)
	second := f.create(id(2), 2)
	second.Store = "ORDERSSTORE"
	_, err := f.all[1].Prepare(second)
	r := f.refused(err, wire.CodeStoreBusy)
	for _, part := range []string{"tester", "2026-01-31T08:00:00Z", id(1)} {
		if !strings.Contains(r.Message, part) {
			t.Errorf("%q does not say %s", r.Message, part)
		}
	}
	other := f.create(id(3), 1)
	other.Store = "CartStore"
	_, err = f.all[1].Prepare(other)
	if r := f.refused(err, wire.CodePortTaken); !strings.Contains(r.Message, "OrdersStore") {
		t.Errorf("%q does not say who keeps the port", r.Message)
	}
}

func TestParticipant_PreflightReportsAllAndWritesNothing(t *testing.T) {
	f := newCluster(t)
	m := f.all[0]
	m.taken[7861], m.taken[7862] = true, true
	c := f.create(id(1), 1)
	for i := range c.Nodes {
		c.Nodes[i].Host, c.Nodes[i].ClustronPort, c.Nodes[i].ClientPort = m.host, 7811+i, 7861+i
	}
	_, err := m.Preflight(c)
	r := f.refused(err, wire.CodePortTaken)
	if !strings.Contains(r.Message, "7861") || !strings.Contains(r.Message, "7862") {
		t.Errorf("%q does not name both ports", r.Message)
	}
	clear(m.taken)
	op, err := m.Preflight(c)
	if err != nil || len(op.Claims) != 3 {
		t.Errorf("%+v, %v", op, err)
	}
	if m.Catalog.Snapshot().Names != nil {
		t.Error("the preflight left something behind")
	}
}

func TestParticipant_OnlyTheCoordinatorExpires(t *testing.T) {
	f := newCluster(t)
	c := f.create(id(1), 1)
	f.prepare(c)
	coordinator, other := f.all[0], f.all[1]
	f.now = f.now.Add(wire.ExpireAfter)
	if _, err := coordinator.Renew(c.ID); err != nil {
		t.Fatalf("renewed in time: %v", err)
	}
	f.now = f.now.Add(wire.ExpireAfter + time.Second)
	f.down[coordinator.host] = true
	f.resolve()
	if got := other.state(c.ID); got != wire.OperationPrepared {
		t.Errorf("without an answer of its coordinator it became %s", got)
	}
	_, err := coordinator.Commit(c.ID, 1)
	f.refused(err, wire.CodeOperationAborted)
	_, err = coordinator.Renew(c.ID)
	f.refused(err, wire.CodeOperationAborted)
	f.down[coordinator.host] = false
	f.resolve()
	for _, m := range f.all {
		if got := m.state(c.ID); got != wire.OperationAborted {
			t.Errorf("%s: %s", m.host, got)
		}
	}
}

func TestParticipant_InDoubtFollowsTheCommit(t *testing.T) {
	f := newCluster(t)
	c := f.create(id(1), 1)
	f.prepare(c)
	if _, err := f.all[0].Commit(c.ID, 1); err != nil {
		t.Fatal(err)
	}
	f.all[1].open() // a restart changes nothing about a vote
	f.resolve()
	for _, m := range f.all {
		if m.store() == nil || m.state(c.ID) != wire.OperationCommitted {
			t.Errorf("%s: %s", m.host, m.state(c.ID))
		}
	}
}

func TestParticipant_RestartedCoordinatorAborts(t *testing.T) {
	f := newCluster(t)
	c := f.create(id(1), 1)
	f.prepare(c)
	f.all[0].open()
	_, err := f.all[0].Commit(c.ID, 1)
	f.refused(err, wire.CodeOperationAborted)
	f.resolve()
	if got := f.all[2].state(c.ID); got != wire.OperationAborted {
		t.Errorf("the others: %s", got)
	}
}

func TestParticipant_ComparesTheCoordinatorsIdentity(t *testing.T) {
	f := newCluster(t)
	c := f.create(id(1), 1)
	f.prepare(c)
	wiped := f.all[0]
	wiped.dir = t.TempDir()
	wiped.open()
	f.resolve()
	if got := f.all[1].state(c.ID); got != wire.OperationPrepared {
		t.Errorf("it followed another manager: %s", got)
	}
}

func TestParticipant_ChecksBaseAndManagers(t *testing.T) {
	f := newCluster(t)
	f.createStore()
	next := f.create(id(2), 2)
	next.Action, next.Creation, next.BaseRevision, next.BaseOperation = wire.AddInstanceAction, id(1), 1, id(1)
	for _, test := range []struct {
		code  string
		spoil func(*wire.Operation)
	}{
		{wire.CodeStaleRevision, func(c *wire.Operation) { c.BaseRevision = 2 }},
		{wire.CodeStaleRevision, func(c *wire.Operation) { c.BaseOperation = id(9) }},
		{wire.CodeStoreExists, func(c *wire.Operation) { c.BaseRevision = 0 }},
		{wire.CodeStoreExists, func(c *wire.Operation) { c.Creation = id(9) }},
		{wire.CodeWrongCoordinator, func(c *wire.Operation) { c.Coordinator = f.all[1].self() }},
		{wire.CodeMissingManager, func(c *wire.Operation) { c.Managers = c.Managers[:2] }},
		{wire.CodeWrongManager,
			func(c *wire.Operation) { c.Managers, c.Coordinator = c.Managers[1:], c.Managers[1].Identity }},
		{wire.CodeBadTopology,
			func(c *wire.Operation) { c.Nodes = append([]wire.Node{}, c.Nodes...); c.Nodes[0].ClientPort++ }},
		{wire.CodeBadRequest, func(c *wire.Operation) { c.Coordinator = "nobody" }},
	} {
		c := next
		test.spoil(&c)
		_, err := f.all[0].Prepare(c)
		f.refused(err, test.code)
	}
	f.prepare(next)
}

func TestParticipant_RemovesAndCreatesAgain(t *testing.T) {
	f := newCluster(t)
	f.createStore()
	gone := wire.Operation{
		ID: id(2), Action: wire.RemoveStoreAction, Store: "OrdersStore", Coordinator: f.all[0].self(), Managers: f.managers(),
		BaseRevision: 1, BaseOperation: id(1), Epoch: 2,
	}
	f.prepare(gone)
	f.commit(gone)
	if s, err := f.all[1].State("OrdersStore"); err != nil || s.Configuration != nil || s.Removed != id(2) || s.Epoch != 2 {
		t.Errorf("%+v, %v", s, err)
	}
	late := f.create(id(3), 1)
	_, err := f.all[1].Prepare(late)
	f.refused(err, wire.CodeStaleEpoch)
	again := f.create(id(4), 3)
	f.prepare(again)
	f.commit(again)
	if s := f.all[1].store(); s.Revision != 1 || s.Epoch != 3 {
		t.Errorf("%+v", s)
	}
}

func TestParticipant_RefusesToRemoveARunningStore(t *testing.T) {
	f := newCluster(t)
	f.createStore()
	m := f.all[0]
	err := m.Catalog.Update(startAll)
	if err != nil {
		t.Fatal(err)
	}
	gone := wire.Operation{
		ID: id(2), Action: wire.RemoveStoreAction, Store: "OrdersStore", Coordinator: m.self(), Managers: f.managers(),
		BaseRevision: 1, BaseOperation: id(1), Epoch: 2,
	}
	_, err = m.Prepare(gone)
	f.refused(err, wire.CodeStoreRunning)
	gone.LoseData = true
	if _, err = m.Prepare(gone); err != nil {
		t.Error(err)
	}
}

// A late copy of a prepare does not start an aborted operation again, not even one whose records were dropped.
func TestParticipant_LatePrepareAfterItsRecordsWereDropped(t *testing.T) {
	f := newCluster(t)
	m, c := f.all[0], f.create(id(1), 1)
	if _, err := m.Prepare(c); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Abort(c.ID, wire.AbortRequest{Store: c.Store, Epoch: c.Epoch}); err != nil {
		t.Fatal(err)
	}
	later := m.Now().Add(time.Hour)
	err := m.Catalog.Update(func(d *catalog.Data) error {
		for i := 0; d.Decision(c.ID) != nil; i++ {
			d.RecordDecision(catalog.DecisionRecord{ID: fmt.Sprint("op-", i), Store: fmt.Sprint("Invented", i)}, later)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Prepare(c)
	f.refused(err, wire.CodeStaleEpoch)
	if _, err := m.Prepare(f.create(id(2), 2)); err != nil {
		t.Errorf("the next operation of the name: %v", err)
	}
}
