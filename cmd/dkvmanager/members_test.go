package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/wire"
)

// trio is three managers that keep one store.
type trio struct {
	t        *testing.T
	managers []*daemon
	ids      []string
	nodes    []wire.Node
}

// newTrio starts three managers, and a store with a data instance on each of the first two.
func newTrio(t *testing.T, network string) *trio {
	t.Helper()
	c := &trio{t: t}
	root := t.TempDir()
	var hosts []string
	var keepers []wire.Manager
	for i := range 3 {
		ip := fmt.Sprintf("%s.%d", network, 11+i)
		d := startDaemon(t, ip, filepath.Join(root, ip))
		c.managers, c.ids, hosts = append(c.managers, d), append(c.ids, d.identity()), append(hosts, ip)
		keepers = append(keepers, wire.Manager{Identity: c.ids[i], URL: "http://" + ip + ":7801"})
	}
	create := orders(2, hosts...)
	create.Managers = keepers
	c.nodes = create.Nodes
	for i, d := range c.managers {
		d.must("POST", wire.StoresPath(), create, "Created")
		if i < 2 {
			d.must("POST", c.instance(i)+"/start", nil, "Started")
		}
	}
	c.ready()
	return c
}

// instance returns the path of the instance on a server.
func (c *trio) instance(server int) string {
	return wire.InstancePath("OrdersStore", c.nodes[server].Name)
}

// start starts an instance that has to join. The answer says that it has started, or what it waits for.
func (c *trio) start(server int) {
	c.t.Helper()
	status, text := c.managers[server].call("POST", c.instance(server)+"/start", nil)
	if status != http.StatusOK {
		c.t.Fatalf("start: %d %s", status, text)
	}
}

// ready waits until all instances are.
func (c *trio) ready() {
	c.t.Helper()
	for _, d := range c.managers {
		d.ready("OrdersStore")
	}
}

// addThird adds an instance on the third server.
func (c *trio) addThird(desired wire.Desired) {
	c.t.Helper()
	ip := c.managers[2].ip
	third := wire.Node{Name: "orders-3", Host: ip}
	third.ClustronPort, third.ClientPort = wire.DefaultClustronPort, wire.DefaultClientPort
	c.nodes = append(c.nodes, third)
	wider := wire.ChangeInstances{BaseRevision: 1, Nodes: c.nodes, Desired: desired}
	for _, d := range c.managers {
		d.must("POST", wire.InstancesPath("OrdersStore"), wider, "Added orders-3")
	}
}

// members describes the members that an instance reports, with their ids: one that is removed and added again differs.
func (c *trio) members(server int) string {
	c.t.Helper()
	var answer struct {
		Members []struct {
			ID        string `json:"ID"`
			Name      string `json:"name"`
			IsLearner bool   `json:"isLearner"`
		} `json:"members"`
	}
	if err := storetest.Call(c.nodes[server], "/v3/cluster/member/list", struct{}{}, &answer); err != nil {
		c.t.Fatal(err)
	}
	var all []string
	for _, m := range answer.Members {
		all = append(all, fmt.Sprintf("%s %s %v", m.ID, m.Name, m.IsLearner))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// strike sends every step for every instance, in the name of every manager, to every manager, and returns how many were
// taken. The store's members must not depend on it.
func (c *trio) strike() (taken int) {
	for i, d := range c.managers {
		for _, from := range append([]string{""}, c.ids...) {
			url := "http://" + d.ip + ":7801" + wire.MembersPath("OrdersStore") + "?to=" + c.ids[i] + "&from=" + from
			for _, instance := range []string{"orders-1", "orders-2", "orders-3", "orders-9"} {
				for _, step := range wire.MemberSteps {
					status, text, err := roundTrip("POST", url, wire.ChangeMember{Instance: instance, Step: step})
					var refused wire.Result
					switch {
					case err != nil: // the manager is down
					case status == http.StatusOK:
						taken++
					case json.Unmarshal(text, &refused) != nil || refused.Code == wire.CodeInternal:
						c.t.Errorf("%s %s at %s: %d %s", step, instance, d.ip, status, text)
					}
				}
			}
		}
	}
	return taken
}

// strikeWhile strikes again and again while something happens, at least once.
func (c *trio) strikeWhile(happens func()) {
	var over atomic.Bool
	var striking sync.WaitGroup
	striking.Go(func() {
		for first := true; first || !over.Load(); first = false {
			c.strike()
		}
	})
	happens()
	over.Store(true)
	striking.Wait()
}

// A stranger that sends steps changes no member, whatever the store does at that time.
func TestMembers_StrangersChangeNothing(t *testing.T) {
	t.Parallel()
	c := newTrio(t, "127.23.51")
	unchanged := func(when string) {
		t.Helper()
		before := c.members(0)
		if taken := c.strike(); taken > 0 {
			t.Errorf("%s: %d steps of a stranger were taken", when, taken)
		}
		if after := c.members(0); after != before {
			t.Errorf("%s: members %s, before %s", when, after, before)
		}
	}
	unchanged("healthy")
	c.addThird(wire.DesiredStopped)
	unchanged("an instance has not been started")

	c.strikeWhile(func() {
		c.start(2)
		c.ready()
	})
	unchanged("joined")
	if got := storetest.Members(t, c.nodes[0]); got != "orders-1 orders-2 orders-3" {
		t.Errorf("members after the join: %s", got)
	}

	before := c.members(0)
	c.strikeWhile(func() {
		killed := c.managers[1].pids("OrdersStore")["orders-2"]
		if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "orders-2 runs again", func() bool {
			in := c.managers[1].store("OrdersStore").Instances[1]
			return in.Ready && in.PID != killed
		})
	})
	if after := c.members(0); after != before {
		t.Errorf("after a restart: members %s, before %s", after, before)
	}

	c.managers[2].must("POST", c.instance(2)+"/stop", nil, "Stopped")
	unchanged("an instance is stopped")
	c.managers[2].end(syscall.SIGTERM)
	unchanged("a manager is down")
	put(t, c.nodes[0])
	for _, d := range c.managers[:2] {
		if log := d.log.String(); strings.Contains(log, "level=ERROR") {
			t.Errorf("log of %s:\n%s", d.ip, log)
		}
	}
}

// An instance that lost its data is removed and joins again, while strangers try to remove the others.
func TestMembers_LostDataJoinsAgain(t *testing.T) {
	t.Parallel()
	c := newTrio(t, "127.23.52")
	c.addThird(wire.DesiredRunning)
	c.ready()
	put(t, c.nodes[0])
	before := c.members(0)
	c.managers[2].must("POST", c.instance(2)+"/stop?force=true", nil, "Stopped")
	if err := os.RemoveAll(filepath.Join(c.managers[2].dir, "instances", "OrdersStore", "orders-3")); err != nil {
		t.Fatal(err)
	}
	c.strikeWhile(func() {
		c.start(2)
		c.ready()
	})
	get(t, c.nodes[2])
	if got := storetest.Members(t, c.nodes[0]); got != "orders-1 orders-2 orders-3" {
		t.Errorf("members %s", got)
	}
	was, is := strings.Split(before, ", "), strings.Split(c.members(0), ", ")
	kept := 0
	for _, m := range was {
		if slices.Contains(is, m) {
			kept++
		}
	}
	if kept != 2 {
		t.Errorf("members %q, before %q: want one new id", is, was)
	}
	logs := c.managers[0].log.String() + c.managers[1].log.String()
	logged := func(step wire.MemberStep) string {
		return fmt.Sprintf("store=OrdersStore step=%s instance=orders-3 manager=%s client=", step, c.ids[2])
	}
	for _, want := range []string{
		logged(wire.AddMember) + c.managers[2].ip, logged(wire.PromoteMember) + c.managers[2].ip,
		logged(wire.RemoveLostMember), // a stranger may have been faster
	} {
		if !strings.Contains(logs, want) {
			t.Errorf("no %q in the logs:\n%s", want, logs)
		}
	}
	if strings.Contains(logs, logged(wire.LeaveMember)) {
		t.Errorf("an instance has left:\n%s", logs)
	}
}
