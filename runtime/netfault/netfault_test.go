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

func TestNetFault_Severed(t *testing.T) {
	at := netip.MustParseAddr
	a, b, c := at("127.41.0.11"), at("127.41.0.12"), at("127.41.0.13")
	for _, test := range []struct {
		own, other netip.Addr
		cut        []netip.Addr
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
		if got := (View{test.own, test.cut}).Severed(test.other); got != test.want {
			t.Errorf("%s and %s, cut %v: %v", test.own, test.other, test.cut, got)
		}
	}
}

// cluster is three servers and their runner, who can all ask each other.
type cluster struct {
	*Switchboard
	servers []*server
	runner  asker
}

func newCluster(t *testing.T, block int) *cluster {
	c := &cluster{Switchboard: switchboard(t), runner: asker{kept: map[string]*question{}}}
	for i := range 3 {
		c.servers = append(c.servers, startServer(t, c.Switchboard, fmt.Sprintf("127.41.%d.%d", block, 11+i)))
	}
	return c
}

// expect asks everybody over connections of both kinds whether nothing passes between exactly those who
// are severed by a cut of these servers.
func (c *cluster) expect(t *testing.T, cut ...*server) {
	t.Helper()
	for _, kind := range []string{"kept", "new"} {
		for _, to := range c.servers {
			c.check(t, nil, to, kind, slices.Contains(cut, to))
			for _, from := range c.servers {
				c.check(t, from, to, kind, from != to && (slices.Contains(cut, from) || slices.Contains(cut, to)))
			}
		}
	}
}

// check has a server, or the runner where from is nil, ask another one.
func (c *cluster) check(t *testing.T, from, to *server, kind string, severed bool) {
	t.Helper()
	limit := patience
	if severed {
		limit = glance
	}
	var got string
	name := "the runner"
	if from == nil {
		got = c.runner.ask(to.own, kind == "kept", limit)
	} else {
		name, got = from.own, from.ask(to, kind, limit)
	}
	if severed != strings.HasSuffix(got, "i/o timeout") || !severed && got != "yes" {
		t.Errorf("%s to %s, severed: %v, over a %s connection: %s", name, to.own, severed, kind, got)
	}
}

// healed waits until all get answers: what was sent during the cut is sent again by and by.
func (c *cluster) healed(t *testing.T) {
	t.Helper()
	cutOff(t, c.Switchboard)
	for _, to := range c.servers {
		for _, from := range c.servers {
			eventually(t, from.own+" hears from "+to.own, func() bool { return from.ask(to, "kept", patience) == "yes" })
		}
		eventually(t, "the runner hears from "+to.own, func() bool { return c.runner.ask(to.own, true, patience) == "yes" })
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

func TestNetFault_CutAndHeal(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	c.expect(t)
	cutOff(t, c.Switchboard, c.servers[1])
	c.expect(t, c.servers[1])
	c.healed(t)
}

func TestNetFault_SeveralAreEachAlone(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	c.expect(t)
	cutOff(t, c.Switchboard, c.servers[0])
	cutOff(t, c.Switchboard, c.servers[0], c.servers[2])
	c.expect(t, c.servers[0], c.servers[2])
	cutOff(t, c.Switchboard, c.servers[2])
	eventually(t, "the first is back", func() bool { return c.servers[0].ask(c.servers[1], "kept", patience) == "yes" })
	c.check(t, nil, c.servers[2], "new", true)
	c.healed(t)
}

// What either side sends does not arrive: it isn't just that the answer gets lost.
func TestNetFault_BothDirections(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	cut, other := c.servers[0], c.servers[1]
	for _, pair := range [][2]*server{{cut, other}, {other, cut}} {
		if got := pair[0].ask(pair[1], "kept", patience); got != "yes" {
			t.Fatal(got)
		}
	}
	cutOff(t, c.Switchboard, cut)
	for _, pair := range [][2]*server{{cut, other}, {other, cut}} {
		for _, kind := range []string{"kept", "new"} {
			before := pair[1].heard()
			pair[0].ask(pair[1], kind, glance)
			if after := pair[1].heard(); after != before {
				t.Errorf("%s heard of %s over a connection that was %s", pair[1].own, pair[0].own, kind)
			}
		}
	}
}

func TestNetFault_ServerThatStartsDuringTheCut(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 4)
	cutOff(t, c.Switchboard, c.servers[0])
	if err := c.servers[0].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.servers[0].cmd.Wait()
	c.servers[0] = startServer(t, c.Switchboard, c.servers[0].own)
	c.expect(t, c.servers[0])
	c.healed(t)
}

// The sockets of a runner are one set: what is healed in one cluster stays cut in another.
func TestNetFault_TwoClusters(t *testing.T) {
	t.Parallel()
	a, b := newCluster(t, 5), newCluster(t, 6)
	a.expect(t)
	b.expect(t)
	cutOff(t, a.Switchboard, a.servers[0])
	cutOff(t, b.Switchboard, b.servers[1])
	cutOff(t, a.Switchboard)
	b.check(t, nil, b.servers[1], "kept", true)
	b.expect(t, b.servers[1])
	a.healed(t)
	b.healed(t)
}

// A cut that a process can't carry out fails, and one of a process that has ended does not.
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
	want := fmt.Sprintf("process %d of the cluster can't be told who is cut off: it does not answer within 10s", stopped.Pid)
	if err := c.Set(address); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := stopped.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	cutOff(t, c.Switchboard, c.servers[0]) // its late answer to the first order is not taken for the one to this
	c.expect(t, c.servers[0])
	if err := stopped.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.servers[2].cmd.Wait()
	c.servers = c.servers[:2]
	c.healed(t)
}

func TestNetFault_ServerWithoutAnAddress(t *testing.T) {
	s := switchboard(t)
	for _, own := range []string{"", "localhost", "::1"} {
		if err := Follow(s.Door(), own, nil); err == nil || !strings.Contains(err.Error(), "needs an IPv4 address") {
			t.Errorf("%q: %v", own, err)
		}
	}
}
