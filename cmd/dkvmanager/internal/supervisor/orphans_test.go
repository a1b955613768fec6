package supervisor

import (
	"context"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/wire"
)

// lose ends the last server: its supervisor and its instance of the store.
func (c *cluster) lose(instance string) {
	c.t.Helper()
	last := len(c.servers) - 1
	pid := c.servers[last].instance("Orders", instance).PID
	c.abandon(last)
	kill(c.t, pid)
}

// abandon ends the supervisor of the last server; its instances go on running until the test ends.
func (c *cluster) abandon(last int) {
	gone := c.servers[last]
	gone.close()
	c.t.Cleanup(gone.open) // the server's cleanup needs a supervisor to end the instances
	c.servers = c.servers[:last]
}

// waitMembers waits until the store has exactly these members.
func (c *cluster) waitMembers(want string) {
	c.t.Helper()
	first := c.node("Orders", "orders-1")
	storetest.Wait(c.t, 30*time.Second, func() (bool, string) {
		got := storetest.Members(c.t, first)
		return got == want, "members " + got + describe(c.instances("Orders"))
	})
}

func TestOrphan_OfLostServerIsRemoved(t *testing.T) {
	t.Parallel()
	c := newStore(t, 3, 3)
	c.lose("orders-3")
	c.removeFromTopology("Orders", "orders-3", false)
	c.waitMembers("orders-1 orders-2")
	c.holds("Orders", "orders-1", "orders-2")

	// The store adds members again, and survives the loss of one of three.
	c.widen("Orders", wire.DesiredRunning, c.servers[1].node("orders-4", 3))
	c.waitMembers("orders-1 orders-2 orders-4")
	c.waitAllReady("Orders", 10*time.Second)
	c.servers[0].mustStop("Orders", "orders-1", true)
	first := c.node("Orders", "orders-2")
	storetest.Wait(t, 20*time.Second, func() (bool, string) {
		err := storetest.TryPut(first, "later", "v")
		return err == nil, "no write" + describe(c.instances("Orders"))
	})
}

// The dead member must be removed first: a gateway can't take over the data while the store adds no member.
func TestOrphan_MakesRoomForItsReplacement(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	nodes := append(c.spread("orders", 1, 3), c.servers[0].node("orders-4", 1))
	c.create("Orders", nodes)
	c.start("Orders")
	c.waitAllReady("Orders", 15*time.Second)
	if role := c.node("Orders", "orders-4").Role; role != wire.Gateway {
		t.Fatalf("orders-4 is %s, want gateway", role)
	}
	c.lose("orders-3")
	c.removeFromTopology("Orders", "orders-3", false)
	c.waitMembers("orders-1 orders-2 orders-4")
	c.waitAllReady("Orders", 10*time.Second)
}

// A manager that was away and was declared lost may have begun to add an instance.
func TestOrphan_LearnerThatNeverStarted(t *testing.T) {
	t.Parallel()
	c := newStore(t, 1, 1)
	c.waitMembers("orders-1")
	m, err := c.servers[0].dialLocal("orders-1")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := m.Add(ctx, c.servers[0].host+":7999"); err != nil {
		t.Fatal(err)
	}
	c.waitMembers("orders-1")
}

// The other managers twice remove a dead member that they noticed later than the living orphan.
func TestOrphan_AliveIsLeftAlone(t *testing.T) {
	t.Parallel()
	c := newStore(t, 5, 5)
	c.abandon(4)
	c.removeFromTopology("Orders", "orders-5", false)
	c.lose("orders-4")
	c.removeFromTopology("Orders", "orders-4", false)
	c.waitMembers("orders-1 orders-2 orders-3 orders-5")
	c.lose("orders-3")
	c.removeFromTopology("Orders", "orders-3", false)
	c.waitMembers("orders-1 orders-2 orders-5")
	if in := c.servers[0].instance("Orders", "orders-1"); in.LastError != "" {
		t.Errorf("orders-1 shows %q", in.LastError)
	}
}

func TestOrphan_StaysWhileTopologyIsUnconfirmed(t *testing.T) {
	t.Parallel()
	c := newStore(t, 3, 3)
	c.lose("orders-3")
	for _, s := range c.servers {
		s.unconfirmed.Store(true)
	}
	c.removeFromTopology("Orders", "orders-3", false)
	storetest.Wait(t, 20*time.Second, func() (bool, string) {
		text := c.servers[0].instance("Orders", "orders-1").LastError
		return strings.Contains(text, "orders-3 at ") && strings.HasSuffix(text, "has an operation in progress"), text
	})
	c.holds("Orders", "orders-1", "orders-2", "orders-3")
	for _, s := range c.servers {
		s.unconfirmed.Store(false)
	}
	c.waitMembers("orders-1 orders-2")
}
