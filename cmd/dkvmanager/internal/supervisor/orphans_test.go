package supervisor

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine/process"
	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/wire"
)

// lose ends the last server: its supervisor and its instance of the store, which goes on without it.
func (c *cluster) lose(instance string) {
	c.t.Helper()
	last := len(c.servers) - 1
	pid := c.servers[last].instance("Orders", instance).PID
	c.servers[last].dropped.Store(true)
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

// An instance whose manager may still let it leave is left alone. The other managers twice remove a dead member that
// they noticed later. When they go on without its manager they remove the living one as well, and its process ends.
func TestOrphan_AliveIsRemovedWithoutItsManager(t *testing.T) {
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
	storetest.Wait(t, 10*time.Second, func() (bool, string) {
		check := c.servers[0].MemberCheck("Orders")
		return len(check.Orphans) == 1 && check.Orphans[0].Name == "orders-5" && check.Orphans[0].Host == c.all[4].host &&
			strings.HasSuffix(check.Orphans[0].Why, "does not answer"), fmt.Sprintf("%+v", check)
	})
	pid, err := process.Holder(filepath.Join(c.all[4].dir, "instances", "Orders", "orders-5"))
	if err != nil || pid == 0 {
		t.Fatalf("orders-5 is process %d, %v", pid, err)
	}
	c.all[4].dropped.Store(true)
	c.waitMembers("orders-1 orders-2")
	c.waitChecked()
	storetest.Wait(t, 10*time.Second, func() (bool, string) {
		return syscall.Kill(pid, 0) != nil, "orders-5 goes on running"
	})
}

// waitChecked waits until every server's instances have seen no orphan.
func (c *cluster) waitChecked() {
	c.t.Helper()
	storetest.Wait(c.t, 10*time.Second, func() (bool, string) {
		for _, s := range c.servers {
			check := s.MemberCheck("Orders")
			if check == nil || check.Change != s.view.Load().Stores["Orders"].LastCommitted() || len(check.Orphans) > 0 {
				return false, fmt.Sprintf("%s: %+v", s.host, check)
			}
		}
		return true, ""
	})
}

// A living member is needed until every data instance of the topology has a vote.
func TestOrphan_AliveStaysUntilItsSuccessorVotes(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.create("Orders", append(c.spread("orders", 1, 3), c.servers[0].node("orders-4", 1)))
	c.start("Orders")
	c.waitAllReady("Orders", 15*time.Second)
	c.all[2].dropped.Store(true)
	c.abandon(2)
	c.removeFromTopology("Orders", "orders-3", false)
	first := c.node("Orders", "orders-1")
	storetest.Wait(t, 30*time.Second, func() (bool, string) {
		got := storetest.Members(t, first)
		if got == "orders-1 orders-2" || got == "[] orders-1 orders-2" || got == "[orders-4] orders-1 orders-2" {
			t.Fatalf("orders-3 was removed too early: %s", got)
		}
		return got == "orders-1 orders-2 orders-4", "members " + got
	})
	c.waitAllReady("Orders", 10*time.Second)
}

// A living member is not removed where the others that are up would be no majority.
func TestOrphan_AliveStaysForTheMajority(t *testing.T) {
	t.Parallel()
	c := newStore(t, 3, 3)
	c.all[2].dropped.Store(true)
	c.abandon(2)
	c.servers[1].mustStop("Orders", "orders-2", true)
	c.removeFromTopology("Orders", "orders-3", false)
	storetest.Wait(t, 20*time.Second, func() (bool, string) {
		check := c.servers[0].MemberCheck("Orders")
		return len(check.Orphans) == 1 && strings.Contains(check.Orphans[0].Why, "1 of 2 data instances, and 2 are needed"),
			fmt.Sprintf("%+v", check)
	})
	c.waitMembers("orders-1 orders-2 orders-3")
	c.servers[1].mustStart("Orders", "orders-2")
	c.waitMembers("orders-1 orders-2")
	c.waitAllReady("Orders", 10*time.Second)
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
