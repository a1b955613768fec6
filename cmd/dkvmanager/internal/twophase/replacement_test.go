package twophase

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

var ctx = context.Background()

// fence makes the survivors b and c fence a, and returns their answers.
func (f *cluster) fence() {
	f.t.Helper()
	lost := wire.FenceRequest{Lost: f.all[0].self(), Survivors: []string{f.all[1].self(), f.all[2].self()}}
	for _, m := range f.all[1:] {
		if s, err := m.FenceCoordinator(ctx, "OrdersStore", lost); err != nil || s.Replacing != lost.Lost {
			f.t.Fatalf("fence at %s: %+v, %v", m.host, s, err)
		}
	}
}

func (f *cluster) decide(committed ...string) {
	f.t.Helper()
	for _, m := range f.all[1:] {
		s, err := m.ReplaceCoordinator("OrdersStore",
			wire.DecideRequest{Lost: f.all[0].self(), Committed: committed, Coordinator: f.all[1].self()})
		if err != nil || s.Replacing != "" || s.Prepared != nil || len(s.Fenced) != 1 {
			f.t.Fatalf("decide at %s: %+v, %v", m.host, s, err)
		}
	}
}

func TestReplacement_NamesANewCoordinator(t *testing.T) {
	f := newCluster(t)
	f.createStore()
	f.down[f.all[0].host] = true
	f.fence()
	next := f.create(id(2), 2)
	next.Action, next.Creation, next.BaseRevision, next.BaseOperation = wire.AddInstanceAction, id(1), 1, id(1)
	_, err := f.all[1].Prepare(next)
	f.refused(err, wire.CodeReplacementUnfinished)
	f.decide()
	f.decide() // a repeated decision changes nothing
	for _, m := range f.all[1:] {
		if s := m.store(); s.Coordinator != f.all[1].self() || len(s.Managers) != 2 {
			t.Errorf("%s: coordinator %s of %v", m.host, s.Coordinator, s.Managers)
		}
	}

	// The lost coordinator returns, and learns that it was declared lost: no manager follows it, and its instances
	// stop.
	back := f.all[0]
	f.down[back.host] = false
	if err := back.Catalog.Update(startAll); err != nil {
		t.Fatal(err)
	}
	if err := back.reconcile(ctx); err != nil {
		t.Fatal(err)
	}
	if local := back.store().Local["orders-1"]; local.Desired != wire.DesiredStopped {
		t.Error("its instance is still to run")
	}
	_, err = back.Prepare(next)
	f.refused(err, wire.CodeFenced)
}

func TestReplacement_CommitsWhatASurvivorHasCommitted(t *testing.T) {
	f := newCluster(t)
	c := f.create(id(1), 1)
	f.prepare(c)
	for _, m := range f.all[:2] {
		if _, err := m.Commit(c.ID, 1); err != nil {
			t.Fatal(err)
		}
	}
	f.down[f.all[0].host] = true
	f.now = f.now.Add(wire.ExpireAfter + coordinatorGrace + time.Second)
	f.fence()
	_, err := f.all[2].Commit(c.ID, 1) // a late commit of the runner; only the replacement decides now
	f.refused(err, wire.CodeFenced)
	f.decide(c.ID)
	if s := f.all[2].store(); s == nil || s.LastCommitted() != c.ID || s.Coordinator != f.all[1].self() {
		t.Errorf("%+v", s)
	}
}

func TestReplacement_AbortsWhatNobodyHasCommitted(t *testing.T) {
	f := newCluster(t)
	c := f.create(id(1), 1)
	f.prepare(c)
	f.down[f.all[0].host] = true
	_, err := f.all[1].FenceCoordinator(ctx, "OrdersStore", wire.FenceRequest{Lost: f.all[0].self()})
	f.refused(err, wire.CodeCoordinatorAlive)
	f.now = f.now.Add(wire.ExpireAfter + coordinatorGrace + time.Second)
	f.fence()
	f.decide()
	for _, m := range f.all[1:] {
		if m.store() != nil || m.state(c.ID) != wire.OperationAborted {
			t.Errorf("%s: %s", m.host, m.state(c.ID))
		}
	}
}

func TestReplacement_LostCoordinatorJoinsAgain(t *testing.T) {
	f := newCluster(t)
	c := f.create(id(1), 1)
	f.prepare(c)
	f.down[f.all[0].host] = true
	f.now = f.now.Add(wire.ExpireAfter + coordinatorGrace + time.Second)
	f.fence()
	f.decide()
	f.down[f.all[0].host] = false
	f.all[0].open() // it returns, and does not know of the replacement

	again := f.create(id(2), 2)
	_, err := f.all[1].Prepare(again)
	if r := f.refused(err, wire.CodeFenced); !strings.Contains(r.Hint, "on the other servers") {
		t.Errorf("the hint is %q", r.Hint)
	}
	without := f.create(id(3), 2)
	without.Coordinator, without.Managers, without.Nodes = f.all[1].self(), without.Managers[1:], without.Nodes[1:]
	without.Founders = wire.Founders(without.Nodes)
	for _, m := range f.all[1:] {
		if _, err := m.Prepare(without); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range f.all[1:] {
		if _, err := m.Commit(without.ID, 2); err != nil {
			t.Fatal(err)
		}
	}
	with := f.create(id(4), 3)
	with.Action, with.Creation, with.BaseRevision, with.BaseOperation, with.Coordinator = wire.AddInstanceAction,
		without.ID, 1, without.ID, without.Coordinator
	f.prepare(with)
	for _, m := range []*member{f.all[1], f.all[0], f.all[2]} {
		if _, err := m.Commit(with.ID, 3); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range f.all {
		if n := m.Catalog.Snapshot().Name("OrdersStore"); m.store() == nil || len(n.Fenced) > 0 {
			t.Errorf("%s has %+v, and for lost %v", m.host, m.store(), n.Fenced)
		}
	}
}

func TestReplacement_AliveCoordinatorIsNotFenced(t *testing.T) {
	f := newCluster(t)
	f.prepare(f.create(id(1), 1))
	f.now = f.now.Add(20 * time.Second)
	_, err := f.all[1].FenceCoordinator(ctx, "OrdersStore", wire.FenceRequest{Lost: f.all[0].self()})
	f.refused(err, wire.CodeCoordinatorAlive)
	_, err = f.all[0].FenceCoordinator(ctx, "OrdersStore", wire.FenceRequest{Lost: f.all[0].self()})
	f.refused(err, wire.CodeBadRequest)
}

// An answer from the coordinator's address is not always the coordinator's: another manager may have the address, or
// the coordinator may be suspect.
func TestReplacement_ImpostorIsNoSignOfLife(t *testing.T) {
	for name, lose := range map[string]func(*member){
		"another manager": func(m *member) { m.dir = m.cluster.t.TempDir(); m.open() },
		"a suspect one":   func(m *member) { m.doubt(forgetNames) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newCluster(t)
			c := f.create(id(1), 1)
			f.prepare(c)
			lost := wire.FenceRequest{Lost: f.all[0].self(), Survivors: []string{f.all[1].self(), f.all[2].self()}}
			lose(f.all[0])
			f.now = f.now.Add(20 * time.Second)
			_, err := f.all[1].FenceCoordinator(ctx, "OrdersStore", lost)
			f.refused(err, wire.CodeCoordinatorAlive) // the silence is too short
			f.now = f.now.Add(coordinatorGrace + 20*time.Second)
			for _, m := range f.all[1:] {
				if s, err := m.FenceCoordinator(ctx, "OrdersStore", lost); err != nil || s.Replacing != lost.Lost {
					t.Errorf("fence at %s: %+v, %v", m.host, s, err)
				}
			}
		})
	}
}

func TestParticipant_ReconcilesWithTheCoordinator(t *testing.T) {
	f := newCluster(t)
	f.createStore()
	c := f.narrowed()
	f.prepare(c)
	for _, m := range f.all[:2] {
		if _, err := m.Commit(c.ID, c.Epoch); err != nil {
			t.Fatal(err)
		}
	}
	// The third manager's disk has lost its last write, the vote.
	away := f.all[2]
	if err := away.Catalog.Update(forgetNames); err != nil {
		t.Fatal(err)
	}
	if err := away.reconcile(ctx); err != nil {
		t.Fatal(err)
	}
	if s := away.store(); s.Revision != 2 || s.LastCommitted() != c.ID || len(s.Nodes) != 2 || s.Local["orders-3"] == nil {
		t.Errorf("%+v", s)
	}
}

func TestParticipant_ResolveStoreAsksAtOnce(t *testing.T) {
	f := newCluster(t)
	c := f.create(id(1), 1)
	f.prepare(c)
	if _, err := f.all[0].Commit(c.ID, 1); err != nil {
		t.Fatal(err)
	}
	if s, err := f.all[1].ResolveStore(ctx, "OrdersStore", ""); err != nil || s.Configuration == nil || s.Prepared != nil {
		t.Errorf("%+v, %v", s, err)
	}
	f.down[f.all[0].host] = true
	_, err := f.all[2].ResolveStore(ctx, "OrdersStore", "")
	f.refused(err, wire.CodeCoordinatorSilent)
}

// A manager that has nothing of the name promises at once, and the name stays free for every other coordinator.
func TestReplacement_FenceOfAFreeNameLocksNothing(t *testing.T) {
	f := newCluster(t)
	for i := range maxFenced {
		s, err := f.all[0].FenceCoordinator(ctx, "OrdersStore", wire.FenceRequest{Lost: fmt.Sprintf("stranger-%d", i)})
		if err != nil || s.Replacing != "" || len(s.Fenced) != i+1 {
			t.Fatalf("%+v, %v", s, err)
		}
	}
	_, err := f.all[0].FenceCoordinator(ctx, "OrdersStore", wire.FenceRequest{Lost: "one-too-many"})
	f.refused(err, wire.CodeFenced)
	f.createStore()
	_, err = f.all[0].FenceCoordinator(ctx, "OrdersStore", wire.FenceRequest{Lost: "one-too-many"})
	f.refused(err, wire.CodeWrongCoordinator)
}

// A survivor that the prepare has not reached promises as well: its vote could be the last one that the lost
// coordinator waits for.
func TestReplacement_FencesASurvivorWithoutVote(t *testing.T) {
	f := newCluster(t)
	c := f.create(id(1), 1)
	for _, m := range f.all[:2] {
		if _, err := m.Prepare(c); err != nil {
			t.Fatal(err)
		}
	}
	f.now = f.now.Add(wire.ExpireAfter + coordinatorGrace + time.Second)
	f.down[f.all[0].host] = true
	lost := wire.FenceRequest{Lost: f.all[0].self(), Survivors: []string{f.all[1].self(), f.all[2].self()}}
	for i, replacing := range []string{lost.Lost, ""} {
		if s, err := f.all[1+i].FenceCoordinator(ctx, "OrdersStore", lost); err != nil || s.Replacing != replacing {
			t.Fatalf("%+v, %v", s, err)
		}
	}
	_, err := f.all[2].Prepare(c) // it was late
	f.refused(err, wire.CodeFenced)
	f.decide()
	if state := f.all[1].state(c.ID); state != wire.OperationAborted {
		t.Errorf("the operation is %s", state)
	}
	for _, m := range f.all[1:] {
		if _, err := m.Prepare(f.create(id(2), 2)); err == nil {
			t.Errorf("%s follows the lost coordinator", m.host)
		}
	}
}

// The fences of names without a store are never dropped, so their number has a bound.
func TestReplacement_FencesOfNamesWithoutAStoreAreBounded(t *testing.T) {
	f := newCluster(t)
	lost := wire.FenceRequest{Lost: f.all[0].self(), Survivors: []string{f.all[1].self()}}
	m := f.all[1]
	err := m.Catalog.Update(func(d *catalog.Data) error {
		for i := range catalog.MaxFencedGone {
			d.SetName(fmt.Sprint("Invented", i), func(n *catalog.Name) { n.Fenced = []string{lost.Lost} })
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.FenceCoordinator(ctx, "OneMore", lost)
	f.refused(err, wire.CodeCatalogFull)
	if _, err := m.FenceCoordinator(ctx, "Invented1", lost); err != nil {
		t.Error(err)
	}
}
