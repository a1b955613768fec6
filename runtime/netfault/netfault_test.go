package netfault

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestView_Blocked(t *testing.T) {
	at := netip.MustParseAddr
	a, b, c := at("127.41.0.11"), at("127.41.0.12"), at("127.41.0.13")
	for _, test := range []struct {
		own, other netip.Addr
		isolated   []netip.Addr
		want       bool
	}{
		{a, b, nil, false},
		{a, b, []netip.Addr{c}, false},
		{a, c, []netip.Addr{c}, true},
		{c, a, []netip.Addr{c}, true},
		{c, c, []netip.Addr{c}, false},
		{b, c, []netip.Addr{b, c}, true},
		{a, at("::ffff:127.41.0.13"), []netip.Addr{c}, true},
		{netip.Addr{}, a, []netip.Addr{c}, false},
		{netip.Addr{}, c, []netip.Addr{c}, true},
	} {
		if got := (View{test.own, test.isolated}).Blocked(test.other); got != test.want {
			t.Errorf("%s and %s, with %v isolated: %v", test.own, test.other, test.isolated, got)
		}
	}
}

// cluster has three servers and their runner, each of which can send requests to all servers.
type cluster struct {
	*Controller
	servers []*server
	runner  client
}

func newCluster(t *testing.T, block int) *cluster {
	c := &cluster{Controller: newController(t), runner: client{kept: map[string]*connection{}}}
	for i := range 3 {
		c.servers = append(c.servers, startServer(t, c.Controller, fmt.Sprintf("127.41.%d.%d", block, 11+i)))
	}
	return c
}

// expect checks, over connections of both kinds, that exactly the connections from and to these servers are blocked.
func (c *cluster) expect(t *testing.T, isolated ...*server) {
	t.Helper()
	for _, kind := range []string{"kept", "new"} {
		for _, to := range c.servers {
			c.check(t, nil, to, kind, slices.Contains(isolated, to))
			for _, from := range c.servers {
				blocked := slices.Contains(isolated, from) || slices.Contains(isolated, to)
				c.check(t, from, to, kind, from != to && blocked)
			}
		}
	}
}

// check sends a request from a server, or from the runner if from is nil, and checks whether it is blocked.
func (c *cluster) check(t *testing.T, from, to *server, kind string, blocked bool) {
	t.Helper()
	limit := responseTimeout
	if blocked {
		limit = blockedTimeout
	}
	var got string
	name := "the runner"
	if from == nil {
		got = c.runner.request(to.own, kind == "kept", limit)
	} else {
		name, got = from.own, from.request(to, kind, limit)
	}
	if blocked != strings.HasSuffix(got, "i/o timeout") || !blocked && got != "yes" {
		t.Errorf("%s to %s, blocked: %v, over a %s connection: %s", name, to.own, blocked, kind, got)
	}
}

// healed heals all servers and waits until all requests get responses: the system retransmits blocked packets only
// after a while.
func (c *cluster) healed(t *testing.T) {
	t.Helper()
	isolate(t, c.Controller)
	for _, to := range c.servers {
		for _, from := range c.servers {
			eventually(t, to.own+" responds to "+from.own, func() bool {
				return from.request(to, "kept", responseTimeout) == "yes"
			})
		}
		eventually(t, to.own+" responds to the runner", func() bool {
			return c.runner.request(to.own, true, responseTimeout) == "yes"
		})
	}
	c.expect(t)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func TestNetFault_IsolateAndHeal(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	c.expect(t)
	isolate(t, c.Controller, c.servers[1])
	c.expect(t, c.servers[1])
	c.healed(t)
}

func TestNetFault_IsolatedServersAreApart(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	c.expect(t)
	isolate(t, c.Controller, c.servers[0])
	isolate(t, c.Controller, c.servers[0], c.servers[2])
	c.expect(t, c.servers[0], c.servers[2])
	isolate(t, c.Controller, c.servers[2])
	eventually(t, "the first server is healed", func() bool {
		return c.servers[0].request(c.servers[1], "kept", responseTimeout) == "yes"
	})
	c.check(t, nil, c.servers[2], "new", true)
	c.healed(t)
}

// The requests of either side do not arrive: it is not only the responses that are dropped.
func TestNetFault_BothDirections(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	isolated, other := c.servers[0], c.servers[1]
	for _, pair := range [][2]*server{{isolated, other}, {other, isolated}} {
		if got := pair[0].request(pair[1], "kept", responseTimeout); got != "yes" {
			t.Fatal(got)
		}
	}
	isolate(t, c.Controller, isolated)
	for _, pair := range [][2]*server{{isolated, other}, {other, isolated}} {
		for _, kind := range []string{"kept", "new"} {
			before := pair[1].received()
			pair[0].request(pair[1], kind, blockedTimeout)
			if after := pair[1].received(); after != before {
				t.Errorf("%s received a request of %s over a %s connection", pair[1].own, pair[0].own, kind)
			}
		}
	}
}

func TestNetFault_IsolatedServerRestarts(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 4)
	isolate(t, c.Controller, c.servers[0])
	if err := c.servers[0].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.servers[0].cmd.Wait()
	c.servers[0] = startServer(t, c.Controller, c.servers[0].own)
	c.expect(t, c.servers[0])
	c.healed(t)
}

// The runner has one filter for all clusters: healing a server of one does not heal a server of another.
func TestNetFault_TwoClusters(t *testing.T) {
	t.Parallel()
	a, b := newCluster(t, 5), newCluster(t, 6)
	a.expect(t)
	b.expect(t)
	isolate(t, a.Controller, a.servers[0])
	isolate(t, b.Controller, b.servers[1])
	isolate(t, a.Controller)
	b.check(t, nil, b.servers[1], "kept", true)
	b.expect(t, b.servers[1])
	a.healed(t)
	b.healed(t)
}

// Set fails if a process does not answer, and succeeds if a process has ended.
func TestNetFault_ProcessThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 7)
	stopped := c.servers[2].cmd.Process
	if err := stopped.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(stopped.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("not stopped: %v, %v", status, err)
	}
	address := []netip.Addr{netip.MustParseAddr(c.servers[0].own)}
	want := fmt.Sprintf("process %d of the cluster did not apply the network fault: no answer within 10s", stopped.Pid)
	if err := c.Set(address); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := stopped.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	isolate(t, c.Controller, c.servers[0]) // its late ack of the first update is not taken for one of this update
	c.expect(t, c.servers[0])
	if err := stopped.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.servers[2].cmd.Wait()
	c.servers = c.servers[:2]
	c.healed(t)
}

func TestNetFault_ServerWithoutAnAddress(t *testing.T) {
	c := newController(t)
	for _, own := range []string{"", "localhost", "::1"} {
		if err := Follow(c.File(), own, nil); err == nil || !strings.Contains(err.Error(), "need an IPv4 address") {
			t.Errorf("%q: %v", own, err)
		}
	}
}
