package supervisor

import (
	"context"
	"fmt"
	"math"
	"strings"
	"syscall"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/wire"
)

func TestInstances_Report(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	c.create("Orders", c.spread("orders", 1, 4))
	c.start("Orders")
	c.waitAllReady("Orders", 10*time.Second)
	leaders := 0
	for _, in := range c.instances("Orders") {
		if !in.Own || in.PID == 0 || in.StartedAt == nil || time.Since(*in.StartedAt) > time.Minute ||
			in.Desired != wire.DesiredRunning {
			t.Errorf("%+v", in)
		}
		if in.Leader {
			leaders++
		}
	}
	if leaders != 1 {
		t.Errorf("%d leaders, want 1", leaders)
	}
	if got := c.servers[0].Instances(context.Background(), "Nothing"); got != nil {
		t.Errorf("instances of no store: %v", got)
	}

	// A process that hangs is reported, and delays the response by a second at most.
	for _, s := range c.servers {
		s.needed.Store(true)
	}
	hung := c.servers[0].instance("Orders", "orders-1")
	if err := syscall.Kill(hung.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var all []wire.Instance
	var took time.Duration
	storetest.Wait(t, 10*time.Second, func() (bool, string) { // it may have sent one more response before it stopped
		began := time.Now()
		all = c.servers[0].Instances(context.Background(), "Orders")
		took = time.Since(began)
		hung := !all[0].Ready && all[0].LastError == "the process does not answer within 1s" && all[0].Status == wire.Running
		return hung, "hung:" + describe(all)
	})
	if !all[1].Ready && all[1].LastError == "" {
		t.Errorf("beside the hung one:%s", describe(all))
	}
	if took > 2*askTimeout {
		t.Errorf("asking took %v", took)
	}

	// As long as the store needs it, it stays, and its state says why; then it is killed and restarted.
	storetest.Wait(t, 30*time.Second, func() (bool, string) {
		now := c.servers[0].instance("Orders", "orders-1")
		return now.PID == hung.PID && strings.HasPrefix(now.LastError, "the process has not answered since 20") &&
			strings.HasSuffix(now.LastError, ": orders-1 is needed"), describe([]wire.Instance{now})
	})
	for _, s := range c.servers {
		s.needed.Store(false)
	}
	storetest.Wait(t, 30*time.Second, func() (bool, string) {
		now := c.servers[0].instance("Orders", "orders-1")
		return now.Ready && now.PID != hung.PID && now.Restarts == 1 &&
			strings.HasPrefix(now.LastError, "the process ended: it had not answered for ") &&
			strings.HasSuffix(now.LastError, ": the manager killed it"), describe([]wire.Instance{now})
	})
}

func TestInstances_Metrics(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 2))
	c.create("Stock", []wire.Node{s.node("stock-1", 5), s.node("stock-2", 6)})
	c.start("Orders")
	s.mustStart("Stock", "stock-1")
	c.waitAllReady("Orders", 10*time.Second)
	for i := range 3 {
		storetest.Put(t, c.node("Orders", "orders-2"), fmt.Sprint(i), "v")
	}
	puts := map[string]float64{}
	for _, m := range s.Metrics(context.Background(), "", 5*time.Second) {
		if m.Category == "Requests" && m.Name == "Put" {
			puts[m.Store+"/"+m.Instance] = m.Total
		}
	}
	if len(puts) != 3 || puts["Orders/orders-2"] != 3 || puts["Orders/orders-1"] != 0 {
		t.Errorf("puts %v, want 3 at orders-2, 0 at orders-1 and stock-1, nothing of the stopped stock-2", puts)
	}
	for _, m := range s.Metrics(context.Background(), "Stock", 5*time.Second) {
		if m.Store != "Stock" {
			t.Errorf("metrics of Stock hold %+v", m)
		}
	}
}

func TestInstances_RefuseUnknown(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 2))
	for _, test := range []struct{ store, instance, code, says string }{
		{"Nothing", "orders-1", wire.CodeStoreNotFound, "Nothing"},
		{"Orders", "orders-3", wire.CodeInstanceNotFound, "orders-3"},
		{"Orders", "orders-2", wire.CodeNotThisHost, c.servers[1].host},
	} {
		_, startErr := s.Start(context.Background(), test.store, test.instance)
		_, stopErr := s.Stop(context.Background(), test.store, test.instance, true)
		_, logErr := s.Log(test.store, test.instance, 5)
		for _, err := range []error{startErr, stopErr, logErr} {
			if code(err) != test.code || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%s/%s: %v, want %s that names %s", test.store, test.instance, err, test.code, test.says)
			}
		}
	}
}

func TestBackoff_GrowsToItsLimit(t *testing.T) {
	restart, poll := newRestartBackoff(), newPollBackoff()
	for n := range 20 {
		for _, c := range []struct {
			got  time.Duration
			want float64 // seconds
		}{
			{restart.NextBackOff(), min(0.5*math.Pow(2, float64(n)), 30)},
			{poll.NextBackOff(), min(0.05*math.Pow(1.5, float64(n)), 2)},
		} {
			if seconds := c.got.Seconds(); seconds < c.want*0.74 || seconds > c.want*1.26 {
				t.Errorf("wait %d is %v, want %.3g s, a quarter more or less", n+1, c.got, c.want)
			}
		}
	}
	for range 100 {
		if d := jitter(time.Second); d < 750*time.Millisecond || d > 1250*time.Millisecond {
			t.Fatalf("jitter of 1s: %v", d)
		}
	}
}
