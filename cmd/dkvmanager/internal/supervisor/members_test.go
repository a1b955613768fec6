package supervisor

import (
	"context"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/wire"
)

// step takes a step, which must change nothing, at a server as if another manager had asked for it.
func (s *server) step(step wire.MemberStep, n wire.Node, member string) ([]wire.Member, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	members, changed, err := s.Supervisor.ChangeMember(ctx, "Orders", wire.MemberAsk{Step: step, Node: n, Member: member})
	if changed {
		s.t.Errorf("%s of %s changed the members", step, n.Name)
	}
	return members, err
}

// memberID returns the id of the member at a node's address.
func (s *server) memberID(instance string, n wire.Node) string {
	s.t.Helper()
	m, err := s.dialLocal(instance)
	if err != nil {
		s.t.Fatal(err)
	}
	defer m.Close()
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
	defer cancel()
	list, err := m.Members(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return memberID(memberAt(list, clusterAddress(n)))
}

// An instance on the same server changes the members; no other manager is asked.
func TestMembers_OwnVoterIsEnough(t *testing.T) {
	t.Parallel()
	c := newStore(t, 2, 2)
	for _, s := range c.servers {
		s.serving.Store(nil)
	}
	third := c.servers[0].node("orders-3", 2)
	c.widen("Orders", wire.DesiredRunning, third)
	c.waitAllReady("Orders", 20*time.Second)
	c.holds("Orders", "orders-1", "orders-2", "orders-3")
	c.removeFromTopology("Orders", "orders-2", false) // it is the voter that removes itself
	c.waitGone(c.all[1].node("orders-2", 0), 20*time.Second)
	c.holds("Orders", "orders-1", "orders-3")
}

func TestMembers_NextManagerIsAsked(t *testing.T) {
	t.Parallel()
	c := newStore(t, 4, 2)
	c.servers[0].serving.Store(nil) // its instance is up
	c.widen("Orders", wire.DesiredRunning, c.servers[2].node("orders-3", 0))
	c.waitAllReady("Orders", 20*time.Second)
	c.holds("Orders", "orders-1", "orders-2", "orders-3")
	if taken := c.servers[1].steps.Load(); taken < 2 {
		t.Errorf("the second manager has taken %d steps, want add and promote", taken)
	}
}

func TestMembers_NobodyToAsk(t *testing.T) {
	t.Parallel()
	c := newStore(t, 2, 1)
	c.servers[0].serving.Store(nil)
	c.widen("Orders", wire.DesiredRunning, c.servers[1].node("orders-2", 0))
	want := "waiting to be added to the store: manager http://" + c.servers[0].host + ":7801 does not answer"
	storetest.Wait(t, 10*time.Second, func() (bool, string) {
		in := c.servers[1].instance("Orders", "orders-2")
		return in.Status == wire.Joining && in.LastError == want, describe(c.instances("Orders"))
	})
	if got := storetest.Members(t, c.node("Orders", "orders-1")); got != "orders-1" {
		t.Errorf("members %s", got)
	}
	c.servers[0].serving.Store(c.servers[0].Supervisor)
	c.waitAllReady("Orders", 20*time.Second)
}

// A step that was asked for an earlier member, or that the store doesn't allow yet, changes nothing.
func TestMembers_StepsThatChangeNothing(t *testing.T) {
	t.Parallel()
	c := newStore(t, 3, 3)
	first, second, third := c.servers[0], c.node("Orders", "orders-2"), c.node("Orders", "orders-3")
	id := first.memberID("orders-1", second)
	for _, step := range wire.MemberSteps {
		members, err := first.step(step, second, "8e9e")
		if err != nil || len(members) != 3 || members[0].Role != wire.Voter || members[0].Name == "" {
			t.Errorf("%s of another member: %+v, %v", step, members, err)
		}
	}
	if _, err := first.step(wire.RemoveLostMember, second, id); code(err) != wire.CodeStoreNotReady ||
		!strings.Contains(err.Error(), "a process listens at "+clusterAddress(second)) {
		t.Errorf("remove-lost of a running member: %v", err)
	}
	c.servers[2].mustStop("Orders", "orders-3", false)
	storetest.Put(t, second, "k", "v")
	c.widen("Orders", wire.DesiredStopped, c.servers[2].node("orders-4", 2), c.servers[2].node("orders-5", 3))
	if _, err := first.step(wire.LeaveMember, third, first.memberID("orders-1", third)); code(err) != wire.CodeStoreNotReady ||
		!strings.Contains(err.Error(), "leaves when orders-4, orders-5 have taken over the data") {
		t.Errorf("leave before others have taken over: %v", err)
	}
	if _, err := c.servers[2].step(wire.PromoteMember, second, id); code(err) != wire.CodeNotThisHost {
		t.Errorf("where no voter runs: %v", err)
	}
	if got := storetest.Members(t, second); got != "orders-1 orders-2 orders-3" {
		t.Errorf("members %s", got)
	}
}
