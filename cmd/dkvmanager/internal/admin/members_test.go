package admin

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// otherManager is a manager that keeps the store of the tests. It answers with state, or not at all.
type otherManager struct {
	state wire.StoreState
	err   error
}

const otherURL = "http://" + otherHost + ":7801"

func (o *otherManager) State(_ context.Context, url, _ string, _ wire.StateQuestion) (wire.StoreState, error) {
	if url != otherURL {
		return wire.StoreState{}, errors.New("asked somebody else: " + url)
	}
	return o.state, o.err
}

func (o *otherManager) Store(context.Context, wire.Manager, string) (wire.Store, error) {
	return wire.Store{}, errors.New("not asked here")
}

func (o *otherManager) Resolve(context.Context, wire.Manager, string, string) error { return nil }

// withMembers returns an API that keeps OrdersStore together with the manager m-other: orders-1 is on this server,
// orders-2 on the other one.
func withMembers(t *testing.T) (*harness, *otherManager) {
	t.Helper()
	b := newHarness(t)
	other := &otherManager{state: wire.StoreState{Manager: "m-other", Store: "OrdersStore"}}
	b.api.Peers = other
	create := orders(2, ownHost, otherHost)
	self := wire.Manager{Identity: b.catalog.Identity(), URL: "http://" + ownHost + ":7801"}
	create.Managers = []wire.Manager{self, {Identity: "m-other", URL: otherURL}}
	b.must("POST", wire.StoresPath(), create, wire.CodeOK, "Created")
	return b, other
}

// asks makes the other manager ask for a step of a node.
func (o *otherManager) asks(step wire.MemberStep, n wire.Node) {
	o.state.Asks = append(o.state.Asks, wire.MemberAsk{Step: step, Node: n, Member: "8e9e"})
}

func (b *harness) members() string {
	return b.to(wire.MembersPath("OrdersStore")) + "&from=m-other"
}

// moved returns the node orders-2 as it was before it got its present address.
func moved() wire.Node {
	n := nodes(2, ownHost, otherHost)[1]
	n.ClustronPort, n.ClientPort = 19811, 19861
	return n
}

func TestMembers_StepsThatAreAskedFor(t *testing.T) {
	b, other := withMembers(t)
	second := nodes(2, ownHost, otherHost)[1]
	want := []wire.MemberStep{}
	for step, n := range map[wire.MemberStep]wire.Node{
		wire.AddMember: second, wire.PromoteMember: second, wire.LeaveMember: moved(), wire.RemoveLostMember: second,
	} {
		other.asks(step, n)
		status, text := b.send(b.request("POST", b.members(), wire.ChangeMember{Instance: "orders-2", Step: step}))
		var got wire.Members
		if err := json.Unmarshal(text, &got); err != nil || status != 200 || got.Manager != b.catalog.Identity() ||
			len(got.Members) != 2 {
			t.Fatalf("%s: %d %s", step, status, text)
		}
		want = append(want, step)
		last := b.sup.steps[len(b.sup.steps)-1]
		if len(b.sup.steps) != len(want) || last.Step != step || last.Node != n || last.Member != "8e9e" {
			t.Errorf("%s: took %+v", step, b.sup.steps)
		}
	}
}

// Nothing that a stranger sends reaches the running store.
func TestMembers_StepsThatNobodyAsksFor(t *testing.T) {
	second := nodes(2, ownHost, otherHost)[1]
	atFirst := nodes(1, ownHost)[0]
	atFirst.Name = "orders-2"
	asks := func(step wire.MemberStep, n wire.Node) func(*harness, *otherManager) {
		return func(_ *harness, o *otherManager) { o.asks(step, n) }
	}
	for name, test := range map[string]struct {
		step    wire.MemberStep
		prepare func(*harness, *otherManager)
		says    string
	}{
		"its manager is silent": {wire.AddMember, func(_ *harness, o *otherManager) {
			o.err = errors.New("manager x does not answer")
		}, "manager x does not answer"},
		"its manager is another": {wire.AddMember, func(_ *harness, o *otherManager) {
			o.state.Manager = "m-new"
		}, "is another manager now"},
		"no ask":            {wire.RemoveLostMember, nil, "manager m-other does not ask for it"},
		"another step":      {wire.RemoveLostMember, asks(wire.AddMember, second), "does not ask for it"},
		"add: no address":   {wire.AddMember, asks(wire.AddMember, moved()), "has no such data instance at"},
		"add: another's":    {wire.AddMember, asks(wire.AddMember, atFirst), "the topology has orders-1 at"},
		"promote: no more":  {wire.PromoteMember, asks(wire.PromoteMember, moved()), "has no such data instance at"},
		"leave: still here": {wire.LeaveMember, asks(wire.LeaveMember, second), "the topology has it"},
		"leave: another's":  {wire.LeaveMember, asks(wire.LeaveMember, atFirst), "the topology has orders-1 at"},
		"lost: another's":   {wire.RemoveLostMember, asks(wire.RemoveLostMember, atFirst), "the topology has orders-1 at"},
		"add: removed by a prepared operation": {wire.AddMember, func(b *harness, o *otherManager) {
			o.asks(wire.AddMember, second)
			b.prepareNodes(wire.AssignRoles(nodes(1, ownHost)))
		}, "has no such data instance at"},
		"leave: brought back by a prepared operation": {wire.LeaveMember, func(b *harness, o *otherManager) {
			o.asks(wire.LeaveMember, moved())
			b.prepareNodes(wire.AssignRoles([]wire.Node{nodes(1, ownHost)[0], moved()}))
		}, "the topology has it"},
		"its manager was declared lost": {wire.AddMember, func(b *harness, o *otherManager) {
			o.asks(wire.AddMember, second)
			b.edit(func(d *catalog.Data) {
				d.SetName("OrdersStore", func(n *catalog.Name) { n.Fenced = []string{"m-other"} })
			})
		}, `manager "m-other" does not keep OrdersStore`},
	} {
		t.Run(name, func(t *testing.T) {
			b, other := withMembers(t)
			if test.prepare != nil {
				test.prepare(b, other)
			}
			body := wire.ChangeMember{Instance: "orders-2", Step: test.step}
			b.refused("POST", b.members(), body, wire.CodeNotCalledFor, test.says)
			if len(b.sup.steps) > 0 {
				t.Errorf("took %+v", b.sup.steps)
			}
		})
	}
}

// edit changes the catalog.
func (b *harness) edit(f func(*catalog.Data)) {
	b.t.Helper()
	if err := b.catalog.Update(func(d *catalog.Data) error { f(d); return nil }); err != nil {
		b.t.Fatal(err)
	}
}

// prepareNodes records a vote for an operation that gives OrdersStore these nodes.
func (b *harness) prepareNodes(nodes []wire.Node) {
	b.edit(func(d *catalog.Data) {
		d.SetName("OrdersStore", func(n *catalog.Name) {
			n.Prepared = &catalog.PreparedRecord{Operation: wire.Operation{ID: operation, Store: "OrdersStore", Nodes: nodes}}
		})
	})
}

func TestMembers_Refusals(t *testing.T) {
	b, other := withMembers(t)
	add := wire.ChangeMember{Instance: "orders-2", Step: wire.AddMember}
	second := nodes(2, ownHost, otherHost)[1]
	other.asks(wire.AddMember, second)
	path := wire.MembersPath("OrdersStore")
	b.refused("POST", path+"?to=m-other&from=m-other", add, wire.CodeWrongManager, "is for another one")
	b.refused("POST", path+"?from=m-other", add, wire.CodeWrongManager, "is for another one")
	b.refused("POST", b.to(path), add, wire.CodeNotCalledFor, `manager "" does not keep`)
	b.refused("POST", b.to(path)+"&from="+strings.Repeat("x", 5000), add, wire.CodeNotCalledFor, `xx"… does not keep`)
	b.refused("POST", b.to(wire.MembersPath("Other"))+"&from=m-other", add, wire.CodeStoreNotFound, "no store Other")
	b.refused("POST", b.members(), wire.ChangeMember{Instance: "../x", Step: wire.AddMember}, wire.CodeBadName, "instance: ")
	b.refused("POST", b.members(), wire.ChangeMember{Instance: "orders-2", Step: "kick"}, wire.CodeBadRequest, `step: got "kick", want one of add, promote, leave, remove-lost`)
	b.refused("POST", b.members(), `{"instance":"orders-2","step":"`+strings.Repeat("a", 17)+`"}`, wire.CodeBadRequest, "step: has 17 bytes")
	b.refused("POST", b.members(), `{"instance":"orders-2","step":"add","address":"10.0.0.1:7811"}`, wire.CodeBadRequest, "address: is not a field here")
	b.sup.err = wire.RefuseNoVoterHere.With("OrdersStore")
	b.refused("POST", b.members(), add, wire.CodeNotThisHost, "ask another manager")
	b.sup.err = nil
	b.edit(func(d *catalog.Data) {
		d.SetName("OrdersStore", func(n *catalog.Name) { n.DeclaredLost = true })
	})
	b.refused("POST", b.members(), add, wire.CodeFenced, "this manager was declared lost")
	if len(b.sup.steps) > 0 {
		t.Errorf("took %+v", b.sup.steps)
	}
}

// What a manager asks for is in its state while it asks.
func TestMembers_AsksAreShown(t *testing.T) {
	b, _ := withMembers(t)
	ask := wire.MemberAsk{Step: wire.PromoteMember, Node: nodes(1, ownHost)[0], Member: "8e9e"}
	b.sup.asks = map[string][]wire.MemberAsk{"OrdersStore": {ask}}
	var state wire.StoreState
	b.get(wire.StatePath("OrdersStore"), &state)
	if !slices.Equal(state.Asks, []wire.MemberAsk{ask}) {
		t.Errorf("asks %+v", state.Asks)
	}
	if err := state.Check(); err != nil {
		t.Error(err)
	}
	long := ask
	long.Member = strings.Repeat("8", 65)
	for _, bad := range []wire.MemberAsk{{Step: "kick", Node: ask.Node}, {Step: ask.Step}, long} {
		state.Asks = []wire.MemberAsk{bad}
		if err := state.Check(); err == nil || !strings.HasPrefix(err.Error(), "asks[0]: ") {
			t.Errorf("%.80v: %v", bad, err)
		}
	}
}
