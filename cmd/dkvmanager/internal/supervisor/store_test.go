package supervisor

import (
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/wire"
)

func TestStore_ThreeServersTakeWritesSoon(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.create("Orders", c.spread("orders", 1, 6))
	began := time.Now()
	c.start("Orders")
	c.waitAllReady("Orders", 15*time.Second)
	t.Logf("6 instances on 3 servers started and ready after %v", time.Since(began))
	storetest.Put(t, c.node("Orders", "orders-6"), "k", "v")
	for _, n := range c.nodes["Orders"] {
		if v := storetest.Get(t, n, "k"); v != "v" {
			t.Errorf("%s reads %q, want v", n.Name, v)
		}
	}
	if got, want := storetest.Members(t, c.node("Orders", "orders-1")), "orders-1 orders-2 orders-3 orders-4 orders-5"; got != want {
		t.Errorf("members %s, want %s", got, want)
	}
}

func TestStore_GrowsFromOneToSix(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.create("Orders", c.spread("orders", 1, 1))
	c.start("Orders")
	c.waitAllReady("Orders", 10*time.Second)
	storetest.Put(t, c.node("Orders", "orders-1"), "k", "v")
	began := time.Now()
	for _, to := range []int{2, 3, 6} {
		have := len(c.nodes["Orders"])
		c.widen("Orders", wire.DesiredRunning, c.spread("orders", have+1, to)...)
		c.waitAllReady("Orders", 40*time.Second)
		t.Logf("%d instances after %v", to, time.Since(began))
	}
	for _, n := range c.nodes["Orders"] {
		if v := storetest.Get(t, n, "k"); v != "v" {
			t.Errorf("%s reads %q, want v", n.Name, v)
		}
	}
	if got, want := storetest.Members(t, c.node("Orders", "orders-6")), "orders-1 orders-2 orders-3 orders-4 orders-5"; got != want {
		t.Errorf("members %s, want %s", got, want)
	}
	for _, in := range c.instances("Orders") {
		if in.Restarts != 0 {
			t.Errorf("%s was restarted %d times", in.Name, in.Restarts)
		}
	}
}
