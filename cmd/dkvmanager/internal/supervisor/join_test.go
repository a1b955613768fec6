package supervisor

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/wire"
)

// newStore creates and starts a store of n instances on servers, and waits until all are ready.
func newStore(t *testing.T, servers, n int) *cluster {
	t.Helper()
	c := newCluster(t, servers)
	c.create("Orders", c.spread("orders", 1, n))
	c.start("Orders")
	c.waitAllReady("Orders", 15*time.Second)
	storetest.Put(t, c.node("Orders", "orders-1"), "k", "v")
	return c
}

// holds checks that a store has exactly these members and that all its instances read the value that was put.
func (c *cluster) holds(store string, want ...string) {
	c.t.Helper()
	if got := storetest.Members(c.t, c.nodes[store][0]); got != strings.Join(want, " ") {
		c.t.Errorf("members %s, want %s", got, strings.Join(want, " "))
	}
	for _, n := range c.nodes[store] {
		if v := storetest.Get(c.t, n, "k"); v != "v" {
			c.t.Errorf("%s reads %q, want v", n.Name, v)
		}
	}
}

// waitGone waits until an instance has no process, no folder and no record.
func (c *cluster) waitGone(n wire.Node, limit time.Duration) {
	c.t.Helper()
	s := c.at(n)
	storetest.Wait(c.t, limit, func() (bool, string) {
		_, err := os.Stat(s.folder(place{"Orders", n.Name}))
		return os.IsNotExist(err) && s.catalog.Snapshot().Stores["Orders"].Local[n.Name] == nil,
			n.Name + " has not gone:" + describe(c.instances("Orders"))
	})
}

func TestJoin_FoundersInAnyOrder(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.create("Orders", c.spread("orders", 1, 3))
	for _, name := range []string{"orders-3", "orders-1"} {
		c.at(c.node("Orders", name)).mustStart("Orders", name)
	}
	storetest.Wait(t, 10*time.Second, func() (bool, string) {
		all := c.instances("Orders")
		return all[0].Ready && all[2].Ready, describe(all)
	})
	storetest.Put(t, c.node("Orders", "orders-1"), "k", "v")
	c.widen("Orders", wire.DesiredRunning, c.spread("orders", 4, 5)...)
	storetest.Wait(t, 10*time.Second, func() (bool, string) {
		in := c.at(c.node("Orders", "orders-5")).instance("Orders", "orders-5")
		return in.Status == wire.Joining && in.LastError != "", describe(c.instances("Orders"))
	})
	c.servers[1].mustStart("Orders", "orders-2")
	c.waitAllReady("Orders", 40*time.Second)
	c.holds("Orders", "orders-1", "orders-2", "orders-3", "orders-4", "orders-5")
}

func TestJoin_LostFolder(t *testing.T) {
	t.Parallel()
	c := newStore(t, 3, 3)
	s := c.servers[1]
	s.mustStop("Orders", "orders-2", true)
	if err := os.RemoveAll(s.folder(place{"Orders", "orders-2"})); err != nil {
		t.Fatal(err)
	}
	s.mustStart("Orders", "orders-2")
	if in := s.instance("Orders", "orders-2"); in.Status != wire.Joining {
		t.Errorf("status %s, want Joining", in.Status)
	}
	c.waitAllReady("Orders", 20*time.Second)
	c.holds("Orders", "orders-1", "orders-2", "orders-3")
}

func TestJoin_OnlyInstanceIsNotBootstrappedAgain(t *testing.T) {
	t.Parallel()
	c := newStore(t, 1, 1)
	s := c.servers[0]
	s.mustStop("Orders", "orders-1", false)
	if err := os.RemoveAll(s.folder(place{"Orders", "orders-1"})); err != nil {
		t.Fatal(err)
	}
	_, err := s.Start(context.Background(), "Orders", "orders-1")
	if code(err) != wire.CodeDataLost {
		t.Errorf("start without data: %v, want data_lost", err)
	}
	// The same holds when its desired state was running all the time.
	s.change(func(d *catalog.Data) { d.Stores["Orders"].Local["orders-1"].Desired = wire.DesiredRunning })
	storetest.Wait(t, 5*time.Second, func() (bool, string) {
		in := s.instance("Orders", "orders-1")
		return in.Status == wire.Stopped && strings.Contains(in.LastError, "the data of orders-1 is gone"), describe([]wire.Instance{in})
	})
	if _, err := s.Start(context.Background(), "Orders", "orders-1"); code(err) != wire.CodeDataLost {
		t.Errorf("start without data: %v, want data_lost", err)
	}
}

func TestJoin_WaitsForStoppedStore(t *testing.T) {
	t.Parallel()
	c := newStore(t, 2, 1)
	c.servers[0].mustStop("Orders", "orders-1", false)
	c.widen("Orders", wire.DesiredStopped, c.spread("orders", 2, 2)...)
	s := c.servers[1]
	if in := s.instance("Orders", "orders-2"); in.Status != wire.Stopped || in.PID != 0 {
		t.Errorf("in the stopped store: %s, want Stopped without a process", describe([]wire.Instance{in}))
	}
	s.mustStart("Orders", "orders-2")
	storetest.Wait(t, 10*time.Second, func() (bool, string) {
		in := s.instance("Orders", "orders-2")
		return in.Status == wire.Joining && strings.Contains(in.LastError, "no data instance of it is up"), describe([]wire.Instance{in})
	})
	// The wait doesn't delay a stop.
	began := time.Now()
	s.mustStop("Orders", "orders-2", false)
	if took := time.Since(began); took > time.Second {
		t.Errorf("stopping an instance that waits to join took %v", took)
	}
	s.mustStart("Orders", "orders-2")
	c.servers[0].mustStart("Orders", "orders-1")
	c.waitAllReady("Orders", 15*time.Second)
	c.holds("Orders", "orders-1", "orders-2")
}

// The manager crashes at each point of a join; the next manager completes the join.
func TestJoin_ContinuesAfterCrash(t *testing.T) {
	t.Parallel()
	folder := func(c *cluster) string { return c.servers[1].folder(place{"Orders", "orders-2"}) }
	add := func(t *testing.T, c *cluster) {
		t.Helper()
		m, err := c.servers[0].dialLocal("orders-1")
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := m.Add(ctx, clusterAddress(c.node("Orders", "orders-2"))); err != nil {
			t.Fatal(err)
		}
	}
	begin := func(t *testing.T, c *cluster) {
		t.Helper()
		if err := writeSpec(folder(c),
			&engine.Spec{Store: "Orders", Instance: "orders-2", Operation: "op-Orders", Role: wire.Data, Start: engine.Join}); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name  string
		crash func(t *testing.T, c *cluster)
	}{
		{"written down", begin},
		{"taken in", func(t *testing.T, c *cluster) { begin(t, c); add(t, c) }},
		{"data of a failed attempt", func(t *testing.T, c *cluster) {
			begin(t, c)
			if err := os.MkdirAll(filepath.Join(folder(c), dataDir("op-Orders"), "member"), 0o700); err != nil {
				t.Fatal(err)
			}
		}},
		{"spawned", func(t *testing.T, c *cluster) {
			s := c.servers[1]
			s.open()
			s.change(func(d *catalog.Data) { d.Stores["Orders"].Local["orders-2"].Desired = wire.DesiredRunning })
			storetest.Wait(t, 10*time.Second, func() (bool, string) {
				pid := s.instance("Orders", "orders-2").PID
				return pid != 0, "not spawned"
			})
			s.close()
		}},
		{"spawned and killed", func(t *testing.T, c *cluster) {
			s := c.servers[1]
			s.open()
			s.change(func(d *catalog.Data) { d.Stores["Orders"].Local["orders-2"].Desired = wire.DesiredRunning })
			pid := 0
			storetest.Wait(t, 10*time.Second, func() (bool, string) {
				pid = s.instance("Orders", "orders-2").PID
				return pid != 0, "not spawned"
			})
			s.close()
			kill(t, pid)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newStore(t, 2, 1)
			s := c.servers[1]
			c.widen("Orders", wire.DesiredStopped, c.spread("orders", 2, 2)...)
			s.close()
			test.crash(t, c)
			s.open()
			s.change(func(d *catalog.Data) { d.Stores["Orders"].Local["orders-2"].Desired = wire.DesiredRunning })
			c.waitAllReady("Orders", 25*time.Second)
			c.holds("Orders", "orders-1", "orders-2")
			spec, err := readSpec(folder(c))
			if err != nil || spec.Start != engine.Resume {
				t.Errorf("after the join spec.json says %+v, %v; want resume", spec, err)
			}
		})
	}
}

// A founder that was removed and is added again with its name and ports must join: package admin marks it as
// bootstrapped.
func TestJoin_ReturningFounder(t *testing.T) {
	t.Parallel()
	c := newStore(t, 3, 3)
	back := c.node("Orders", "orders-2")
	c.removeFromTopology("Orders", "orders-2", false)
	c.waitGone(back, 20*time.Second)
	c.widen("Orders", wire.DesiredStopped, back)
	s := c.servers[1]
	s.change(func(d *catalog.Data) { d.Stores["Orders"].Local["orders-2"].Bootstrapped = true })
	s.mustStart("Orders", "orders-2")
	c.waitAllReady("Orders", 20*time.Second)
	c.holds("Orders", "orders-1", "orders-2", "orders-3")
}

// A voter that someone has removed from the running store over a socket, while the topology has it, joins anew. Its
// former data is kept.
func TestJoin_AfterRemovalBehindTheTopology(t *testing.T) {
	t.Parallel()
	c := newStore(t, 3, 3)
	storetest.Put(t, c.node("Orders", "orders-1"), "before", "v")
	m, err := c.servers[0].dialLocal("orders-1")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	before := c.member(ctx, m, "orders-3")
	old := c.servers[2].instance("Orders", "orders-3").PID
	// A store refuses a change of members for some seconds after its start.
	storetest.Eventually(t, 20*time.Second, "orders-3 is removed", func() error { return m.Remove(ctx, before.ID) })
	storetest.Wait(t, 30*time.Second, func() (bool, string) {
		in := c.servers[2].instance("Orders", "orders-3")
		return in.PID != 0 && in.PID != old && in.Ready, describe(c.instances("Orders"))
	})
	after := c.member(ctx, m, "orders-3")
	if after.ID == before.ID || after.Learner {
		t.Errorf("member %x became %x, learner %v", before.ID, after.ID, after.Learner)
	}
	c.waitMembers("orders-1 orders-2 orders-3")
	c.holds("Orders", "orders-1", "orders-2", "orders-3")
	if got := storetest.Get(t, c.node("Orders", "orders-3"), "before"); got != "v" {
		t.Errorf("before is %q", got)
	}
	folder := c.servers[2].folder(place{"Orders", "orders-3"})
	if !holdsData(filepath.Join(folder, removedFolder("op-Orders"))) {
		t.Error("the former data is not kept")
	}
}

// member returns a member of the running store by its name.
func (c *cluster) member(ctx context.Context, m engine.Membership, name string) engine.Member {
	c.t.Helper()
	members, err := m.Members(ctx)
	i := slices.IndexFunc(members, func(m engine.Member) bool { return m.Name == name })
	if err != nil || i < 0 {
		c.t.Fatalf("no member %s: %v, %v", name, members, err)
	}
	return members[i]
}
