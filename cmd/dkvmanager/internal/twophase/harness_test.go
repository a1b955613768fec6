package twophase

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// cluster holds three managers a, b and c in one process, in the order of their identities; a has the smallest. The
// test sets their clock.
type cluster struct {
	t    *testing.T
	now  time.Time
	all  []*member
	down map[string]bool
}

// member is one manager with its disk.
type member struct {
	*Participant
	cluster *cluster
	dir     string
	host    string
	taken   map[int]bool
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	f := &cluster{t: t, now: time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC), down: map[string]bool{}}
	for range 3 {
		m := &member{cluster: f, dir: t.TempDir(), taken: map[int]bool{}}
		m.open()
		f.all = append(f.all, m)
	}
	for i := range f.all { // identities are created in the order of time, so they are sorted
		f.all[i].host = fmt.Sprintf("127.64.0.%d", 11+i)
	}
	return f
}

// open starts the manager on its disk, as after a crash.
func (m *member) open() {
	t := m.cluster.t
	t.Helper()
	if m.Participant != nil {
		_ = m.Catalog.(*catalog.Catalog).Close()
	}
	cat, err := catalog.Open(m.dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cat.Close() })
	m.Participant = New(Options{
		Catalog: cat, Peers: m.cluster, Engine: "etcd",
		Owns: func(n wire.Node) bool { return n.Host == m.host },
		Ports: func(_ string, nodes []wire.Node) error {
			for _, n := range nodes {
				if m.taken[n.ClientPort] {
					return wire.Refuse(wire.CodePortTaken, "%s:%d is taken", n.Host, n.ClientPort)
				}
			}
			return nil
		},
		Now: func() time.Time { return m.cluster.now },
	})
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
}

func (m *member) url() string { return "http://" + m.host + ":7801" }

// State implements Peers by a direct call.
func (f *cluster) State(_ context.Context, url, store string, q wire.StateQuestion) (wire.StoreState, error) {
	for _, m := range f.all {
		if m.url() == url && !f.down[m.host] {
			if err := m.Asked(store, q); err != nil {
				return wire.StoreState{}, err
			}
			return m.State(store)
		}
	}
	return wire.StoreState{}, fmt.Errorf("%s does not answer", url)
}

func (f *cluster) Resolve(ctx context.Context, to wire.Manager, store, coordinator string) error {
	for _, m := range f.all {
		if m.url() == to.URL && m.self() == to.Identity && !f.down[m.host] {
			_, err := m.ResolveStore(ctx, store, coordinator)
			return err
		}
	}
	return fmt.Errorf("%s does not answer", to.URL)
}

func (f *cluster) managers() []wire.Manager {
	var out []wire.Manager
	for _, m := range f.all {
		out = append(out, wire.Manager{Identity: m.self(), URL: m.url()})
	}
	return out
}

// create returns the operation that creates OrdersStore with an instance on each server.
func (f *cluster) create(id string, epoch uint64) wire.Operation {
	var nodes []wire.Node
	for i, m := range f.all {
		nodes = append(nodes, wire.Node{Name: fmt.Sprintf("orders-%d", i+1), Host: m.host, ClustronPort: 7811, ClientPort: 7861,
			Role: wire.Data})
	}
	return wire.Operation{
		ID: id, Action: wire.CreateAction, Store: "OrdersStore", Owner: "tester", Coordinator: f.all[0].self(), Managers: f.managers(),
		Epoch: epoch, Creation: id, Nodes: nodes, Founders: wire.Founders(nodes), Desired: wire.DesiredStopped,
	}
}

// prepare prepares an operation at all managers, the coordinator first.
func (f *cluster) prepare(c wire.Operation) {
	f.t.Helper()
	for _, m := range f.all {
		if op, err := m.Prepare(c); err != nil || op.State != wire.OperationPrepared || op.Epoch != c.Epoch {
			f.t.Fatalf("prepare at %s: %+v, %v", m.host, op, err)
		}
	}
}

// commit commits at all managers, the coordinator first.
func (f *cluster) commit(c wire.Operation) {
	f.t.Helper()
	for _, m := range f.all {
		if op, err := m.Commit(c.ID, c.Epoch); err != nil || op.State != wire.OperationCommitted {
			f.t.Fatalf("commit at %s: %+v, %v", m.host, op, err)
		}
	}
}

// createStore creates the store on all three managers and returns the operation.
func (f *cluster) createStore() wire.Operation {
	f.t.Helper()
	c := f.create(id(1), 1)
	f.prepare(c)
	f.commit(c)
	return c
}

func id(n int) string { return fmt.Sprintf("0198f0a0-0000-7000-8000-%012d", n) }

// refused fails the test unless err is a refusal with this code.
func (f *cluster) refused(err error, code string) *wire.Result {
	f.t.Helper()
	var r *wire.Result
	if !errors.As(err, &r) || r.Code != code {
		f.t.Errorf("got %v, want %s", err, code)
		return &wire.Result{}
	}
	return r
}

// state returns the state of an operation at a manager.
func (m *member) state(id string) wire.OperationState {
	m.cluster.t.Helper()
	op, err := m.Operation(id)
	if err != nil {
		m.cluster.t.Fatal(err)
	}
	return op.State
}

func (m *member) store() *catalog.Store { return m.Catalog.Snapshot().Stores["OrdersStore"] }

// resolve calls Resolve on every manager.
func (f *cluster) resolve() {
	for _, m := range f.all {
		_ = m.Resolve(context.Background()) // in some tests the coordinator is down
	}
}

// suspectAll makes d the content of a catalog that was loaded from an older generation.
func suspectAll(d *catalog.Data) {
	d.SuspectNames, d.SuspectStores = true, nil
	for name := range d.Stores {
		d.SuspectStores = append(d.SuspectStores, strings.ToLower(name))
	}
	for key, n := range d.Names {
		if n.Prepared != nil && d.Named(key) == nil {
			d.SuspectStores = append(d.SuspectStores, key)
		}
	}
	slices.Sort(d.SuspectStores)
}
