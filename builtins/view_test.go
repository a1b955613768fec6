package builtins

import (
	"strings"
	"testing"

	"dkvrun/builtins/internal/text"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// clusterView is what three managers say of a store with one instance each; change spoils it.
func clusterView(change func(i int, in *wire.Instance)) *view {
	v := &view{name: "OrdersStore"}
	hosts := []string{"a", "b", "c"}
	for i, host := range hosts {
		store := &wire.Store{Name: "OrdersStore", Revision: 1, Digest: "d"}
		for j, other := range hosts {
			in := wire.Instance{
				Node:   wire.Node{Name: "orders-" + other, Host: other, ClustronPort: 7811, ClientPort: 7861, Role: wire.Data, Manager: other + ":7801"},
				Status: wire.Unknown,
			}
			if i == j {
				in.Own, in.Status, in.Ready, in.Desired, in.Bootstrapped = true, wire.Running, true, wire.DesiredRunning, true
				if change != nil {
					change(i, &in)
				}
			}
			store.Instances = append(store.Instances, in)
		}
		v.sightings = append(v.sightings, sighting{
			Member: Member{Endpoint: fanout.Endpoint{Scheme: "http", Host: host, Port: 7801}}, store: store, row: report.Row{Success: true},
		})
	}
	v.latest = v.sightings[0].store
	v.merge()
	return v
}

func stopFirst(n int) func(int, *wire.Instance) {
	return func(i int, in *wire.Instance) {
		if i < n {
			in.Status, in.Ready, in.Desired = wire.Stopped, false, wire.DesiredStopped
		}
	}
}

func TestAViewSumsUpItsInstances(t *testing.T) {
	for _, c := range []struct {
		stopped int
		want    wire.StoreStatus
		ready   bool
	}{{0, wire.StoreRunning, true}, {1, wire.StorePartial, false}, {3, wire.StoreStopped, false}} {
		v := clusterView(stopFirst(c.stopped))
		if v.status() != c.want || v.ready() != c.ready {
			t.Errorf("%d stopped: %s, ready %v", c.stopped, v.status(), v.ready())
		}
	}
	v := clusterView(nil)
	if v.consistent() != true {
		t.Error("managers that agree are not consistent")
	}
	v.sightings[2].store.Digest = "other"
	if v.consistent() != false {
		t.Error("managers that differ are consistent")
	}
	v.silent = 1
	if v.consistent() != nil {
		t.Error("with a manager silent, consistency is claimed")
	}
}

func TestASilentManagersInstancesAreUnknown(t *testing.T) {
	v := clusterView(nil)
	v.sightings[1].store, v.sightings[1].row = nil, report.Row{Message: "connection refused"}
	v.silent, v.instances = 1, nil
	v.merge()
	if v.status() != wire.StorePartial || v.ready() {
		t.Errorf("%s, ready %v", v.status(), v.ready())
	}
	if why := text.Few(v.notReady("")); !strings.Contains(why, "orders-b") || !strings.Contains(why, "b:7801 did not answer") {
		t.Error(why)
	}
}

func TestRemovalsThatTheStoreCannotSurvive(t *testing.T) {
	for _, c := range []struct {
		stopped int // of the first instances
		remove  int
		code    string
	}{
		{0, 2, ""},
		{1, 2, wire.CodeQuorumLoss},
		{1, 0, ""}, // the one that is away anyway
		{2, 2, wire.CodeStoreNotReady},
		{3, 0, wire.CodeStoreNotReady},
	} {
		v := clusterView(stopFirst(c.stopped))
		err := v.mayLeave(removal(t), v.instances[c.remove])
		code := ""
		if e, ok := err.(*runtime.Error); ok {
			code = e.Code
		}
		if code != c.code {
			t.Errorf("%d stopped, removing %d: got %q (%v), want %q", c.stopped, c.remove, code, err, c.code)
		}
	}
}

func TestNewNodesGoOn(t *testing.T) {
	v := clusterView(nil)
	v.latest.Instances = []wire.Instance{
		{Node: wire.Node{Name: "orders-1", Host: "a", ClustronPort: 7811, ClientPort: 7861}},
		{Node: wire.Node{Name: "orders-2", Host: "a", ClustronPort: 7812, ClientPort: 7862}},
		{Node: wire.Node{Name: "orders-9", Host: "b", ClustronPort: 7811, ClientPort: 7861}},
	}
	first := v.next("a", nil)
	if first.Name != "orders-10" || first.ClustronPort != 7813 || first.ClientPort != 7863 {
		t.Errorf("%+v", first)
	}
	second := v.next("new", []wire.Node{first})
	if second.Name != "orders-11" || second.ClustronPort != 7811 || second.ClientPort != 7861 {
		t.Errorf("%+v", second)
	}
}

func TestFiguresOfAStore(t *testing.T) {
	rate := func(x float64) *float64 { return &x }
	all := []wire.Metric{
		{Instance: "a", Category: "Requests", Name: "Put", Rate: rate(10), Total: 100},
		{Instance: "b", Category: "Requests", Name: "Put", Rate: rate(5), Total: 50},
		{Instance: "a", Category: "Storage", Name: "ItemsCount", Total: 70},
		{Instance: "b", Category: "Storage", Name: "ItemsCount", Total: 71},
	}
	sums := summed(all)
	if len(sums) != 2 || *sums[0].Rate != 15 || sums[0].Total != 150 || sums[1].Total != 71 || *all[0].Rate != 10 {
		t.Errorf("%+v", sums)
	}
	all[0].Rate, all[0].Total = rate(2341.4), 134223
	wide := "Category  Metric      a                  b\n" +
		"Requests  Put         2,341/s (134,223)  5/s (50)\n" +
		"Storage   ItemsCount  - (70)             - (71)"
	if got := metricsPicture("S", all, 0); got != wide {
		t.Errorf("got\n%s", got)
	}
	narrow := "Instance  Requests/Put       Storage/ItemsCount\n" +
		"a         2,341/s (134,223)  - (70)\n" +
		"b         5/s (50)           - (71)"
	if got := metricsPicture("S", all, 47); got != narrow {
		t.Errorf("got\n%s", got)
	}
}

func TestGroupedNumbers(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 134223: "134,223", 2340122: "2,340,122", -1234: "-1,234"} {
		if got := text.Grouped(x); got != want {
			t.Errorf("%v: %s", x, got)
		}
	}
}

func TestEndOfAPrefix(t *testing.T) {
	for prefix, want := range map[string]string{"a": "b", "a\xff": "b", "\xff": "\x00", "": "\x00"} {
		if got := string(after([]byte(prefix))); got != want {
			t.Errorf("%q ends before %q", prefix, got)
		}
	}
}
