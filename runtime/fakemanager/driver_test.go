package fakemanager

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"dkvrun/runtime/commit"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// network is a Transport to fake managers that can lose messages.
type network struct {
	t         *testing.T
	plan      Plan
	client    *fanout.Client
	endpoints []fanout.Endpoint
	// loses reports whether to lose a message to manager i.
	loses func(i int, verb string) bool
}

// serve runs a plan and returns a network to its managers.
func serve(t *testing.T, plan Plan) *network {
	t.Helper()
	stop, err := Serve(plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	n := &network{t: t, plan: plan, client: fanout.New(fanout.Config{}), loses: func(int, string) bool { return false }}
	t.Cleanup(n.client.Close)
	if n.endpoints, err = fanout.ParseEndpoints(plan.Addresses(), 0); err != nil {
		t.Fatal(err)
	}
	return n
}

// Send implements commit.Transport.
func (n *network) Send(ctx context.Context, requests []commit.Request, how commit.Send) []commit.Reply {
	replies := make([]commit.Reply, len(requests))
	var out []fanout.Request
	var place []int
	for i, r := range requests {
		if n.loses(r.To, r.Path[strings.LastIndexByte(r.Path, '/')+1:]) {
			replies[i] = commit.Reply{Class: fanout.Timeout, Message: "lost"}
			continue
		}
		request := fanout.Request{Endpoint: n.endpoints[r.To], Method: r.Method, Path: r.Path, Query: r.Query}
		request.Body, request.Compressed = fanout.Compress(r.Body)
		out, place = append(out, request), append(place, i)
	}
	for _, a := range n.client.Do(ctx, out, fanout.Options{Timeout: time.Second}) {
		reply := commit.Reply{Status: a.Status, Body: a.Body}
		if a.Err != nil {
			reply.Class, reply.Message = a.Err.Class, a.Err.Message
		}
		replies[place[a.Index]] = reply
	}
	if how.Each != nil {
		for i, reply := range replies {
			how.Each(i, reply)
		}
	}
	return replies
}

// Now, Sleep and Every implement commit.Clock.
func (n *network) Now() time.Time { return time.Now() }

func (n *network) Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (n *network) Every(time.Duration, func()) func() { return func() {} }

// managers returns all managers of the plan, as an operation lists them.
func (n *network) managers() []wire.Manager {
	var out []wire.Manager
	for _, e := range n.endpoints {
		out = append(out, wire.Manager{Identity: "fake-" + e.String(), URL: e.URL()})
	}
	return out
}

// creation returns the operation that creates OrdersStore with an instance on each of the first managers.
func (n *network) creation(id, instances int) wire.Operation {
	c := wire.Operation{
		ID: fmt.Sprintf("0198f0a0-0000-7000-8000-%012d", id), Action: wire.CreateAction, Store: "OrdersStore", Owner: "tester",
		Managers: n.managers(), Desired: wire.DesiredStopped,
	}
	c.Creation = c.ID
	c.Coordinator = slices.MinFunc(c.Managers,
		func(a, b wire.Manager) int { return strings.Compare(a.Identity, b.Identity) }).Identity
	for i := range instances {
		c.Nodes = append(c.Nodes, wire.Node{Name: fmt.Sprintf("orders-%d", i+1), Host: n.endpoints[i].Host, ClustronPort: 7811,
			ClientPort: 7861})
	}
	c.Nodes = wire.AssignRoles(c.Nodes)
	c.Founders = wire.Founders(c.Nodes)
	return c
}

// run runs a driver with an operation.
func (n *network) run(c wire.Operation) *commit.Outcome {
	r := &commit.Driver{Transport: n, Clock: n, Operation: c, Names: n.plan.Addresses(), Verb: "Created", Parallel: true,
		DecideTimeout: time.Second}
	for _, node := range c.Nodes {
		r.Claimed = append(r.Claimed, node.Name)
	}
	return r.Run(context.Background())
}

// state returns a manager's state of OrdersStore.
func (n *network) state(i int) wire.StoreState {
	n.t.Helper()
	state, err := ask(context.Background(), n.managers()[i], "OrdersStore")
	if err != nil {
		n.t.Fatal(err)
	}
	return state
}

// count returns at how many managers an operation is committed, and at how many it is prepared.
func (n *network) count(c wire.Operation) (committed, pending int) {
	n.t.Helper()
	for i := range n.endpoints {
		switch s := n.state(i); s.Of(c.ID) {
		case wire.OperationCommitted:
			committed++
		case wire.OperationPrepared:
			pending++
		}
	}
	return committed, pending
}

func TestFakeManager_CreatesAStoreOnAll(t *testing.T) {
	n := serve(t, Plan{Count: 50, Port: 7923})
	c := n.creation(1, 50)
	if out := n.run(c); out.State != commit.Committed {
		t.Fatalf("state %d: %s", out.State, out.Summary)
	}
	if committed, pending := n.count(c); committed != 50 || pending != 0 {
		t.Fatalf("committed at %d, prepared at %d", committed, pending)
	}
	other := n.creation(2, 3)
	if out := n.run(other); out.State != commit.Refused || !out.Stale || out.Rows[7].Code != wire.CodeStoreExists {
		t.Errorf("another store of that name: state %d, %+v", out.State, out.Rows[7])
	}
	other.BaseRevision, other.BaseOperation, other.Creation = 1, c.ID, c.ID
	if out := n.run(other); out.State != commit.Committed {
		t.Errorf("what builds on it: state %d: %s", out.State, out.Summary)
	}
	other.ID = "0198f0a0-0000-7000-8000-000000000003"
	if out := n.run(other); out.State != commit.Refused || out.Rows[7].Code != wire.CodeStaleRevision {
		t.Errorf("what builds on what it was: state %d, %+v", out.State, out.Rows[7])
	}
}

func TestFakeManager_StalledManagerCausesAbort(t *testing.T) {
	n := serve(t, Plan{Count: 12, Port: 7924, Faults: []Fault{Stall}}) // the first stalls, the tenth is the coordinator
	c := n.creation(1, 12)
	if out := n.run(c); out.State != commit.Aborted || out.Rows[0].Code != fanout.Timeout ||
		out.Rows[5].Result != commit.RolledBack {
		t.Fatalf("state %d: %+v", out.State, out.Rows)
	}
	if committed, pending := n.count(c); committed+pending != 0 {
		t.Errorf("committed at %d, prepared at %d", committed, pending)
	}
	if s := n.state(5); s.Configuration != nil || s.Of(c.ID) != wire.OperationAborted {
		t.Errorf("got %+v", s)
	}
}

func TestFakeManager_LostCommitIsFound(t *testing.T) {
	n := serve(t, Plan{Count: 5, Port: 7925})
	c := n.creation(1, 5)
	n.loses = func(i int, verb string) bool { return i >= 3 && verb == "commit" }
	if out := n.run(c); out.State != commit.Committed || out.Rows[2].Result != commit.Done ||
		out.Rows[3].Result != commit.Failed {
		t.Fatalf("state %d: %+v", out.State, out.Rows)
	}
	if committed, pending := n.count(c); committed != 3 || pending != 2 {
		t.Fatalf("committed at %d, prepared at %d", committed, pending)
	}
	poll(t, "those that missed the commit ask their coordinator", func() bool {
		committed, _ := n.count(c)
		return committed == 5
	})
}

func TestFakeManager_RecoveryResolves(t *testing.T) {
	n := serve(t, Plan{Count: 5, Port: 7926})
	c := n.creation(1, 5)
	n.loses = func(i int, verb string) bool { return i != 0 && verb == "commit" }
	n.run(c)
	if _, pending := n.count(c); pending != 4 {
		t.Fatalf("pending at %d", pending)
	}
	busy := n.creation(2, 5)
	if out := n.run(busy); out.State != commit.Refused || out.Rows[1].Code != wire.CodeStoreBusy {
		t.Errorf("another change meanwhile: state %d: %s", out.State, out.Summary)
	}
	r := &commit.Recovery{Transport: n, Clock: n, Store: c.Store, Managers: c.Managers, Names: n.plan.Addresses(),
		Timeout: time.Second}
	r.Query(context.Background())
	if out := r.Resolve(context.Background()); out.State != commit.Committed || out.Rows[4].Message != "CreateStore: committed" {
		t.Errorf("state %d: %+v", out.State, out.Rows)
	}
	if committed, _ := n.count(c); committed != 5 {
		t.Errorf("committed at %d", committed)
	}
}

// A prepared operation blocks others until it is decided; the next one has a higher epoch.
func TestFakeManager_PreparedOperationBlocksOthers(t *testing.T) {
	n := serve(t, Plan{Count: 3, Port: 7927})
	earlier := n.creation(1, 3)
	n.loses = func(i int, verb string) bool { return verb == "commit" }
	if out := n.run(earlier); out.State != commit.Unknown {
		t.Fatalf("state %d: %s", out.State, out.Summary)
	}
	if s := n.state(1); s.Prepared == nil || s.Prepared.Owner != "tester" || s.Epoch != 1 {
		t.Fatalf("got %+v", s)
	}
	n.loses = func(int, string) bool { return false }
	if out := n.run(n.creation(2, 3)); out.State != commit.Refused || !out.Busy {
		t.Errorf("state %d: %+v", out.State, out.Rows)
	}
	abort := commit.Request{Method: "POST", Path: wire.OperationPath(earlier.ID) + "/abort",
		Body: encode(wire.AbortRequest{Store: earlier.Store, Epoch: 1})}
	for i, m := range earlier.Managers {
		abort.To, abort.Query = i, "to="+url.QueryEscape(m.Identity)
		n.Send(context.Background(), []commit.Request{abort}, commit.Send{})
	}
	later := n.creation(2, 3)
	if out := n.run(later); out.State != commit.Committed {
		t.Fatalf("state %d: %s", out.State, out.Summary)
	}
	if s := n.state(1); s.Epoch != 2 || s.Configuration == nil || s.Configuration.Epoch != 2 {
		t.Errorf("got %+v", s)
	}
}
