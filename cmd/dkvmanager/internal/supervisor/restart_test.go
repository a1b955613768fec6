package supervisor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/wire"
)

// always is a condition of Restart that always holds.
func always(context.Context) error { return nil }

func TestRestart_NewProcessOfSameInstance(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	c.start("Orders")
	c.waitAllReady("Orders", 10*time.Second)
	storetest.Put(t, c.node("Orders", "orders-1"), "k", "v")
	before := s.instance("Orders", "orders-1")
	if err := s.Restart(t.Context(), "Orders", "orders-1", always); err != nil {
		t.Fatal(err)
	}
	c.waitAllReady("Orders", 10*time.Second)
	after := s.instance("Orders", "orders-1")
	if after.PID == before.PID || after.Desired != wire.DesiredRunning || after.Restarts != 0 || after.LastError != "" {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if got := storetest.Get(t, c.node("Orders", "orders-1"), "k"); got != "v" {
		t.Errorf("read %q", got)
	}
}

// TestRestart_Refusals tests that a refused restart stops nothing.
func TestRestart_Refusals(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	refused := func(instance string, may func(context.Context) error, code string) {
		t.Helper()
		var r *wire.Result
		if err := s.Restart(t.Context(), "Orders", instance, may); !errors.As(err, &r) || r.Code != code {
			t.Errorf("restart of %s: got %v, want %s", instance, err, code)
		}
	}
	refused("orders-1", always, wire.CodeStoreNotReady) // it is stopped
	refused("orders-9", always, wire.CodeInstanceNotFound)
	c.start("Orders")
	c.waitAllReady("Orders", 10*time.Second)
	before := s.instance("Orders", "orders-1")
	refused("orders-1", func(context.Context) error {
		in := s.instance("Orders", "orders-1")
		if in.Ready || in.Status != wire.Running || in.PID != before.PID || in.LastError != "the instance is about to be restarted" {
			t.Errorf("while the condition is checked: %+v", in)
		}
		return wire.RefuseOtherNotReady.With("orders-1", "orders-2", "Stopped")
	}, wire.CodeStoreNotReady)
	if after := s.instance("Orders", "orders-1"); !after.Ready || after.PID != before.PID || after.LastError != "" {
		t.Errorf("after the refusal: %+v", after)
	}
}

// TestRestart_CompletedWithoutCaller tests that a restart is completed when its caller has gone, and by the next
// manager when this one ends in the middle of it.
func TestRestart_CompletedWithoutCaller(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	c.start("Orders")
	for _, managerEnds := range []bool{false, true} {
		c.waitAllReady("Orders", 10*time.Second)
		before := s.instance("Orders", "orders-1")
		ctx, cancel := context.WithCancel(t.Context())
		err := s.Restart(ctx, "Orders", "orders-1", func(context.Context) error { cancel(); return nil })
		var r *wire.Result
		if !errors.As(err, &r) || r.Code != wire.CodeStopFailed {
			t.Fatalf("the caller has gone: %v", err)
		}
		if managerEnds {
			storetest.Wait(t, 10*time.Second, func() (bool, string) {
				in := s.instance("Orders", "orders-1")
				return in.Status == wire.Stopping || in.PID != before.PID, fmt.Sprintf("not stopping: %+v", in)
			})
			s.close()
			s.open()
		}
		storetest.Wait(t, 10*time.Second, func() (bool, string) {
			in := s.instance("Orders", "orders-1")
			return in.Ready && in.PID != before.PID, fmt.Sprintf("manager ends %v: %+v", managerEnds, in)
		})
	}
}

// TestRestart_OneAtATime restarts all instances of a store at the same time, again and again, each on the condition
// that all others are ready. Never may two be down.
func TestRestart_OneAtATime(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.create("Orders", c.spread("orders", 1, 3))
	c.start("Orders")
	c.waitAllReady("Orders", 15*time.Second)
	var restarts, refusals atomic.Int32
	var all sync.WaitGroup
	var mu sync.Mutex
	stopped := map[string]int{} // the pid that each instance had when it was restarted last
	stop := time.Now().Add(20 * time.Second)
	for _, n := range c.nodes["Orders"] {
		s := c.at(n)
		all.Go(func() {
			for restarts.Load() < 9 && time.Now().Before(stop) {
				err := s.Restart(t.Context(), "Orders", n.Name, func(ctx context.Context) error {
					for _, other := range c.nodes["Orders"] {
						if in := c.at(other).instance("Orders", other.Name); other.Name != n.Name && !in.Ready {
							return wire.RefuseOtherNotReady.With(n.Name, other.Name, in.Status)
						}
					}
					mu.Lock()
					defer mu.Unlock()
					for _, other := range c.nodes["Orders"] {
						in := c.at(other).instance("Orders", other.Name)
						if other.Name != n.Name && (in.PID == stopped[other.Name] || in.PID == 0) {
							t.Errorf("%s is restarted, and so is %s at the same time", n.Name, other.Name)
						}
					}
					stopped[n.Name] = s.instance("Orders", n.Name).PID
					return nil
				})
				if err != nil {
					refusals.Add(1)
					time.Sleep(rand.N(200 * time.Millisecond)) // so that they don't refuse each other for ever
					continue
				}
				restarts.Add(1)
			}
		})
	}
	all.Wait()
	if restarts.Load() < 9 || refusals.Load() == 0 {
		t.Errorf("%d restarts, %d refusals", restarts.Load(), refusals.Load())
	}
}
