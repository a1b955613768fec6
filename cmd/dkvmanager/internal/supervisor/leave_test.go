package supervisor

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/wire"
)

func TestLeave_DataIsReplacedFirst(t *testing.T) {
	t.Parallel()
	c := newStore(t, 2, 4)
	for _, n := range c.nodes["Orders"] {
		if want := map[bool]wire.Role{true: wire.Data, false: wire.Gateway}[n.Name != "orders-4"]; n.Role != want {
			t.Fatalf("%s is %s, want %s", n.Name, n.Role, want)
		}
	}
	gone := c.node("Orders", "orders-2")
	pid := c.at(gone).instance("Orders", "orders-2").PID
	c.removeFromTopology("Orders", "orders-2", false)
	if role := c.node("Orders", "orders-4").Role; role != wire.Data {
		t.Fatalf("orders-4 is %s, want data", role)
	}
	storetest.Wait(t, 30*time.Second, func() (bool, string) {
		if voters := len(strings.Fields(storetest.Members(t, c.node("Orders", "orders-1")))); voters < 3 {
			t.Fatalf("%d members while one is replaced, want 3 at any time", voters)
		}
		return c.allReady("Orders"), describe(c.instances("Orders"))
	})
	c.waitGone(gone, 10*time.Second)
	if alive(pid) {
		t.Error("the removed instance runs")
	}
	c.holds("Orders", "orders-1", "orders-3", "orders-4")
}

func TestLeave_LeaderAfterLeader(t *testing.T) {
	t.Parallel()
	c := newStore(t, 3, 3)
	for len(c.nodes["Orders"]) > 1 {
		all := c.instances("Orders")
		i := slices.IndexFunc(all, func(in wire.Instance) bool { return in.Leader })
		if i < 0 {
			t.Fatalf("no leader:%s", describe(all))
		}
		c.removeFromTopology("Orders", all[i].Name, false)
		c.waitGone(all[i].Node, 20*time.Second)
		c.waitAllReady("Orders", 10*time.Second)
	}
	c.holds("Orders", c.nodes["Orders"][0].Name)
}

func TestLeave_GatewayAndNeverStarted(t *testing.T) {
	t.Parallel()
	c := newStore(t, 1, 4)
	c.widen("Orders", wire.DesiredStopped, c.servers[0].node("orders-9", 9))
	for _, name := range []string{"orders-9", "orders-4"} {
		gone := c.node("Orders", name)
		c.removeFromTopology("Orders", name, false)
		c.waitGone(gone, 10*time.Second)
	}
	c.waitAllReady("Orders", 5*time.Second)
	c.holds("Orders", "orders-1", "orders-2", "orders-3")
}

func TestLeave_LoseDataAtOnce(t *testing.T) {
	t.Parallel()
	c := newStore(t, 3, 3)
	gone := c.node("Orders", "orders-3")
	pid := c.at(gone).instance("Orders", "orders-3").PID
	c.removeFromTopology("Orders", "orders-3", true)
	storetest.Wait(t, 2*time.Second, func() (bool, string) { return !alive(pid), "runs" })
	c.waitGone(gone, 15*time.Second)
	c.waitAllReady("Orders", 5*time.Second)
	c.holds("Orders", "orders-1", "orders-2")
}

func TestLeave_StoppedWaitsForTheStore(t *testing.T) {
	t.Parallel()
	c := newStore(t, 2, 2)
	c.servers[0].mustStop("Orders", "orders-1", false)
	c.servers[1].mustStop("Orders", "orders-2", false)
	gone := c.node("Orders", "orders-1")
	c.removeFromTopology("Orders", "orders-1", false)
	storetest.Wait(t, 5*time.Second, func() (bool, string) {
		in := c.servers[0].instance("Orders", "orders-1")
		return in.Status == wire.Leaving && in.PID == 0, describe([]wire.Instance{in})
	})
	if _, err := c.servers[0].Stop(context.Background(), "Orders", "orders-1", false); code(err) != wire.CodeInstanceNotFound {
		t.Errorf("stopping what leaves: %v", err)
	}
	// orders-2 has no quorum without orders-1, which is therefore started again.
	c.servers[1].mustStart("Orders", "orders-2")
	c.waitGone(gone, 30*time.Second)
	c.waitAllReady("Orders", 10*time.Second)
	c.holds("Orders", "orders-2")
}

func TestLeave_OnlyDataHandsOverToGateway(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	nodes := c.spread("orders", 1, 2)
	nodes[0].Role, nodes[1].Role = wire.Data, wire.Gateway
	c.create("Orders", nodes)
	// AssignRoles would give both the role data; the catalog may have fewer data instances.
	for _, s := range c.servers {
		s.change(func(d *catalog.Data) {
			d.Stores["Orders"].Nodes = nodes
			d.Stores["Orders"].Founders = wire.Founders(nodes)
		})
	}
	c.nodes["Orders"] = nodes
	c.start("Orders")
	c.waitAllReady("Orders", 10*time.Second)
	storetest.Put(t, nodes[1], "k", "v")
	c.removeFromTopology("Orders", "orders-1", false)
	// A restarted manager has not seen orders-1 in the topology.
	c.servers[1].close()
	c.servers[1].open()
	c.waitGone(nodes[0], 30*time.Second)
	c.waitAllReady("Orders", 10*time.Second)
	c.holds("Orders", "orders-2")
}

// killIfRunning kills the process of an instance that the store has removed, unless the process has ended by itself.
func killIfRunning(t *testing.T, s *server, instance string) {
	t.Helper()
	pid := s.instance("Orders", instance).PID
	if pid == 0 {
		return
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
		t.Fatal(err)
	}
	storetest.Wait(t, 10*time.Second, func() (bool, string) { return !alive(pid), fmt.Sprintf("process %d is still there", pid) })
}

// The manager crashes at each point of a leave; the next manager completes the leave.
func TestLeave_ContinuesAfterCrash(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		crash func(t *testing.T, c *cluster)
	}{
		{"taken out", func(*testing.T, *cluster) {}},
		{"stopped", func(t *testing.T, c *cluster) {
			killIfRunning(t, c.servers[1], "orders-2")
		}},
		{"deleted", func(t *testing.T, c *cluster) {
			killIfRunning(t, c.servers[1], "orders-2")
			if err := os.RemoveAll(c.servers[1].folder(place{"Orders", "orders-2"})); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newStore(t, 2, 2)
			gone := c.node("Orders", "orders-2")
			c.servers[1].close()
			m, err := c.servers[0].dialLocal("orders-1")
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			list, err := m.Members(ctx)
			if err != nil {
				t.Fatal(err)
			}
			storetest.Wait(t, 10*time.Second, func() (bool, string) { // until the store accepts the change
				err := m.Remove(ctx, memberAt(list, clusterAddress(gone)).ID)
				return err == nil, "remove"
			})
			test.crash(t, c)
			c.servers[1].open()
			c.removeFromTopology("Orders", "orders-2", false)
			c.waitGone(gone, 15*time.Second)
			c.waitAllReady("Orders", 5*time.Second)
			c.holds("Orders", "orders-1")
		})
	}
}
