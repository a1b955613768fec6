package admin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// sixNodes returns five data instances and one gateway, orders-1 to orders-6, two on each of three hosts.
func sixNodes() []wire.Node {
	return wire.AssignRoles(nodes(6, "h1", "h2", "h3"))
}

// threeViews returns a store with sixNodes as its three managers show it when all is well.
func threeViews() (*catalog.Store, []managerView) {
	s := &catalog.Store{Name: "OrdersStore", Creation: "op", Revision: 3, Nodes: sixNodes()}
	var seen []managerView
	for _, host := range []string{"h1", "h2", "h3"} {
		view := managerView{url: "http://" + host + ":7801", store: wire.Store{Name: s.Name, Creation: "op", Revision: 3}}
		for _, n := range s.Nodes {
			in := wire.Instance{Node: n, Status: wire.Unknown}
			if n.Host == host {
				in = wire.Instance{Node: n, Own: true, Status: wire.Running, Ready: true}
			}
			view.store.Instances = append(view.store.Instances, in)
		}
		seen = append(seen, view)
	}
	return s, seen
}

func TestRestart_RollingConditions(t *testing.T) {
	t.Parallel()
	down := func(names ...string) func([]managerView) {
		return func(seen []managerView) {
			for _, m := range seen {
				for i := range m.store.Instances {
					if in := &m.store.Instances[i]; in.Own && slices.Contains(names, in.Name) {
						in.Ready, in.Status, in.LastError = false, wire.CrashLooping, "it ended"
					}
				}
			}
		}
	}
	operation := &wire.OperationStatus{ID: "x", Store: "OrdersStore", Action: wire.AddInstanceAction, Owner: "alice"}
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	operation.Since = &since
	leaving := []wire.Instance{{Node: wire.Node{Name: "orders-7"}}}
	silent := func(seen []managerView) { seen[1].err = errors.New("no answer") } // that of orders-2 and orders-5
	for name, c := range map[string]struct {
		instance string
		change   func([]managerView)
		without  string
		code     string // empty if it may restart
		said     string
	}{
		"all well":                     {instance: "orders-1"},
		"itself is down":               {instance: "orders-1", change: down("orders-1")},
		"a gateway, all well":          {instance: "orders-6"},
		"another is down":              {"orders-1", down("orders-2"), "", wire.CodeStoreNotReady, "orders-1 is not restarted while orders-2 is down (it ended)"},
		"a gateway is down":            {"orders-1", down("orders-6"), "", wire.CodeStoreNotReady, "while orders-6 is down"},
		"a gateway, another is down":   {"orders-6", down("orders-2"), "", wire.CodeStoreNotReady, "while orders-2 is down"},
		"accepted as down":             {instance: "orders-1", change: down("orders-2"), without: "orders-2"},
		"another one accepted as down": {"orders-1", down("orders-3"), "orders-2", wire.CodeStoreNotReady, "while orders-3 is down"},
		"no majority": {"orders-1", down("orders-2", "orders-3"), "orders-2,orders-3", wire.CodeQuorumLoss,
			"without orders-1 only 2 of 5 data instances of OrdersStore would be ready, and writes need 3"},
		"a gateway keeps the majority":  {instance: "orders-6", change: down("orders-2", "orders-3"), without: "orders-2,orders-3"},
		"the gateway is no data":        {"orders-1", down("orders-2", "orders-3", "orders-6"), "orders-2,orders-3,orders-6", wire.CodeQuorumLoss, ""},
		"a manager is silent":           {"orders-1", silent, "", wire.CodeStoreNotReady, "while orders-2 is down (its manager does not answer)"},
		"silent and accepted":           {instance: "orders-6", change: silent, without: "orders-2,orders-5"},
		"silent, accepted, no majority": {"orders-1", silent, "orders-2,orders-5", wire.CodeQuorumLoss, "only 2 of 5"},
		"another revision":              {"orders-1", func(s []managerView) { s[2].store.Revision++ }, "", wire.CodeStoreBusy, "the manager on h3:7801 has another topology"},
		"another store":                 {"orders-1", func(s []managerView) { s[2].store.Creation = "op2" }, "", wire.CodeStoreBusy, "the manager on h3:7801 has another topology"},
		"an operation prepared there": {"orders-1", func(s []managerView) {
			s[2].store.Prepared = operation
		}, "", wire.CodeStoreBusy, "being changed by alice since 2026-01-02T03:04:05Z"},
		"an instance is leaving":        {"orders-1", func(s []managerView) { s[2].store.Leaving = leaving }, "", wire.CodeStoreBusy, "orders-7 is still leaving"},
		"only the owner's word counts":  {"orders-1", func(s []managerView) { s[0].store.Instances[1].Ready = true; down("orders-2")(s[1:2]) }, "", wire.CodeStoreNotReady, "while orders-2 is down"},
		"without it, no second is down": {"orders-2", down("orders-1", "orders-4"), "orders-1", wire.CodeStoreNotReady, "while orders-4 is down"},
	} {
		s, seen := threeViews()
		if c.change != nil {
			c.change(seen)
		}
		var without []string
		if c.without != "" {
			without = strings.Split(c.without, ",")
		}
		err := checkRestart(s, seen, c.instance, without)
		var refused *wire.Result
		switch {
		case c.code == "" && err != nil:
			t.Errorf("%s: refused: %v", name, err)
		case c.code == "":
		case !errors.As(err, &refused) || refused.Code != c.code || !strings.Contains(refused.Message, c.said):
			t.Errorf("%s: got %v, want %s and %q", name, err, c.code, c.said)
		}
	}
}

// storePeers answers queries about stores; it has no other answers.
type storePeers struct {
	Peers
	answer func(url string) (wire.Store, error)
}

func (p storePeers) Store(_ context.Context, at wire.Manager, _ string) (wire.Store, error) {
	return p.answer(at.URL)
}

func TestRestart_Route(t *testing.T) {
	b := newHarness(t)
	store := orders(3, ownHost, otherHost, otherHost)
	store.Operation = "0198f0a0-5d2e-7c41-9d0f-2f6f8f3f7a11"
	store.Managers = []wire.Manager{
		{Identity: b.catalog.Identity(), URL: "http://" + ownHost + ":7801"},
		{Identity: "other", URL: "http://" + otherHost + ":7801"},
	}
	b.must("POST", wire.StoresPath(), store, wire.CodeOK, "Created")
	there := b.store("OrdersStore")
	for i := range there.Instances {
		in := &there.Instances[i]
		in.Own, in.Status, in.Ready = in.Host == otherHost, wire.Running, true
	}
	var asked []string
	var silent error
	b.api.Peers = storePeers{answer: func(url string) (wire.Store, error) {
		asked = append(asked, url)
		return there, silent
	}}
	restart := wire.InstancePath("OrdersStore", "orders-1") + "/restart"
	b.refused("POST", restart+"?rolling=true", nil, wire.CodeStoreNotReady, "orders-1 is stopped: start it instead")
	b.must("POST", wire.InstancePath("OrdersStore", "orders-1")+"/start", nil, wire.CodeOK, "Started")

	b.must("POST", restart+"?rolling=true", nil, wire.CodeOK, "Restarted")
	if want := []string{"http://" + otherHost + ":7801"}; !slices.Equal(asked, want) {
		t.Errorf("asked %v, want %v", asked, want)
	}
	silent = errors.New("no answer")
	b.refused("POST", restart+"?rolling=true", nil, wire.CodeStoreNotReady, "while orders-2 is down (its manager does not answer)")
	b.refused("POST", restart+"?rolling=true&without=orders-2,orders-3", nil, wire.CodeQuorumLoss, "only 0 of 3")
	b.must("POST", restart, nil, wire.CodeOK, "Restarted") // without the conditions
	if want := []string{"OrdersStore/orders-1", "OrdersStore/orders-1"}; !slices.Equal(b.sup.restarted, want) {
		t.Errorf("restarted %v, want %v", b.sup.restarted, want)
	}
	b.refused("POST", restart+"?rolling=yes", nil, wire.CodeBadRequest, "want true or false")
	b.refused("POST", restart+"?without=a,", nil, wire.CodeBadName, "parameter without: a name is empty")
	b.refused("POST", wire.InstancePath("OrdersStore", "orders-2")+"/restart", nil, wire.CodeNotThisHost, "orders-2 is on "+otherHost)
	if got := b.do("POST", restart, nil); got.Action != "RestartInstance:orders-1" {
		t.Errorf("operation %q", got.Action)
	}
}
