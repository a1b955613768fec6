package cluster_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/cluster/clustertest"
	"dkvrun/builtins/internal/text"
	"dkvrun/builtins/report"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

func TestView_SumsUpInstances(t *testing.T) {
	for _, c := range []struct {
		stopped int
		want    wire.StoreStatus
		ready   bool
	}{{0, wire.StoreRunning, true}, {1, wire.StorePartial, false}, {3, wire.StoreStopped, false}} {
		v := clustertest.View(clustertest.StopFirst(c.stopped))
		if v.Status() != c.want || v.Ready() != c.ready {
			t.Errorf("%d stopped: %s, ready %v", c.stopped, v.Status(), v.Ready())
		}
	}
}

func TestView_Consistent(t *testing.T) {
	v := clustertest.View(nil)
	if v.Consistent() != true {
		t.Error("managers that agree are not consistent")
	}
	v.Reports[2].Store.Digest = "other"
	if v.Consistent() != false {
		t.Error("managers that differ are consistent")
	}
	v = clustertest.View(nil)
	v.Reports[2].Store = nil // it answered that it does not have the store
	if v.Consistent() != false || len(v.Differences()) != 1 {
		t.Errorf("a manager does not have the store: consistent %v, differences %v", v.Consistent(), v.Differences())
	}
	v = clustertest.View(nil)
	v.Reports[2].Store.Digest = "other"
	v.Silent = 1
	if v.Consistent() != false {
		t.Error("a difference is not seen where a manager is silent")
	}
	v = clustertest.View(nil)
	v.Silent = 1
	if v.Consistent() != nil {
		t.Error("with a manager silent, consistency is claimed")
	}
}

// silent returns the responses of clustertest, except that manager b refuses connections.
func silent() []cluster.Response {
	all := clustertest.Responses(nil)
	all[1].Answer = fanout.Answer{Err: &fanout.Error{Class: "refused"}}
	all[1].Row = report.Row{Message: "connection refused", Code: "refused"}
	return all
}

func TestView_SilentManager(t *testing.T) {
	v := cluster.NewView(clustertest.Store, silent())
	if v.Silent != 1 || v.Status() != wire.StorePartial || v.Ready() {
		t.Errorf("%d silent, %s, ready %v", v.Silent, v.Status(), v.Ready())
	}
	if why := text.Few(v.NotReady("")); !strings.Contains(why, "orders-b") || !strings.Contains(why, "b:7801 did not answer") {
		t.Error(why)
	}
}

// A response about another store counts as unreadable. A response that the store is not known is valid.
func TestView_OtherStore(t *testing.T) {
	v := cluster.NewView("Other", clustertest.Responses(nil))
	if v.Latest != nil || v.Silent != 3 || v.Reports[0].Row.Code != fanout.Protocol {
		t.Errorf("%+v", v)
	}
	all := clustertest.Responses(nil)[:1]
	all[0].Answer = fanout.Answer{Status: 404}
	all[0].Row = report.Row{Code: wire.CodeStoreNotFound}
	if v := cluster.NewView(clustertest.Store, all); v.Latest != nil || v.Silent != 0 {
		t.Errorf("%+v", v)
	}
}

// A manager that can't read its catalog reports the revision 0.
func TestView_CatalogLost(t *testing.T) {
	all := clustertest.Responses(nil)
	all[2].Answer.Body = bytes.Replace(all[2].Answer.Body, []byte(`"revision":1`), []byte(`"revision":0`), 1)
	v := cluster.NewView(clustertest.Store, all)
	list := v.Differences()
	if v.Consistent() != false || len(list) != 1 || list[0].Manager.String() != "c:7801" || list[0].Revision != 0 ||
		!strings.Contains(list[0].Message, "can't read its catalog") {
		t.Errorf("of three: consistent %v, %v", v.Consistent(), list)
	}
	if !v.Ready() || len(v.NotReady("")) != 0 {
		t.Errorf("the others know the topology: %v", v.NotReady(""))
	}
	alone := cluster.NewView(clustertest.Store, all[2:])
	for i := range alone.Instances { // it finds no others
		alone.Instances[i].Status, alone.Instances[i].Ready = wire.Running, true
	}
	if alone.Ready() || alone.Consistent() != false || len(alone.Differences()) != 1 {
		t.Errorf("alone: ready %v, consistent %v, %v", alone.Ready(), alone.Consistent(), alone.Differences())
	}
	if why := text.Few(alone.NotReady("")); !strings.Contains(why, "c:7801 is read-only, because it can't read its catalog") {
		t.Error(why)
	}
}

func TestView_Pending(t *testing.T) {
	v := clustertest.View(nil)
	if op, holders := v.Pending(); op != nil || holders != nil {
		t.Fatalf("nothing is pending: %v, %v", op, holders)
	}
	early, late := time.Now().Add(-90*time.Second), time.Now()
	v.Reports[0].Store.Prepared = &wire.OperationStatus{ID: "op-9", Since: &late}
	v.Reports[2].Store.Prepared = &wire.OperationStatus{ID: "op-9", Since: &early}
	op, holders := v.Pending()
	if op.ID != "op-9" || op.Since != &early {
		t.Errorf("%+v", op)
	}
	if len(holders) != 2 || holders[0].String() != "a:7801" || holders[1].String() != "c:7801" {
		t.Errorf("held by %v", holders)
	}
}

func TestView_Differences(t *testing.T) {
	v := clustertest.View(nil)
	if list := v.Differences(); len(list) != 0 {
		t.Fatalf("all agree: %v", list)
	}
	for says, spoil := range map[string]func(*cluster.StoreReport){
		"does not have the store": func(s *cluster.StoreReport) { s.Store = nil },
		"another store of that name": func(s *cluster.StoreReport) {
			other := *s.Store
			other.Creation, s.Store = "op-7", &other
		},
		"has revision 4, the coordinator has 1": func(s *cluster.StoreReport) {
			other := *s.Store
			other.Revision, s.Store = 4, &other
		},
		"with another content": func(s *cluster.StoreReport) {
			other := *s.Store
			other.Digest, s.Store = "other", &other
		},
		"with another content: orders-b has client port 7862, not 7861": func(s *cluster.StoreReport) {
			other := *s.Store
			other.Instances = slices.Clone(other.Instances)
			other.Instances[1].ClientPort, s.Store = 7862, &other
		},
		"with another content: it lists other managers": func(s *cluster.StoreReport) {
			other := *s.Store
			other.Managers, s.Store = other.Managers[1:], &other
		},
	} {
		there := v.Reports[2]
		spoil(&v.Reports[2])
		list := v.Differences()
		v.Reports[2] = there
		if len(list) != 1 || list[0].Manager.String() != "c:7801" || !strings.Contains(list[0].Message, says) {
			t.Errorf("%v, want %q", list, says)
		}
	}
}

// Only managers that have the store, and can read their catalog, keep another content of it.
func TestView_Inconsistent(t *testing.T) {
	v := clustertest.View(nil)
	if err := v.Inconsistent("new_store"); err != nil {
		t.Errorf("all agree: %v", err)
	}
	last := v.Reports[2]
	v.Reports[2].Store = nil
	if err := v.Inconsistent("new_store"); err != nil {
		t.Errorf("one does not have it: %v", err)
	}
	other := *last.Store
	other.Revision, v.Reports[2].Store = 0, &other
	if err := v.Inconsistent("new_store"); err != nil {
		t.Errorf("one can't read its catalog: %v", err)
	}
	other.Revision, other.Instances = 1, slices.Clone(other.Instances)
	other.Instances[1].ClientPort = 7862
	const says = "new_store: the managers keep different contents of OrdersStore: " +
		"c:7801 has revision 1 with another content: orders-b has client port 7862, not 7861"
	err := v.Inconsistent("new_store")
	if err == nil || err.Message != says || err.Code != "inconsistent" || !strings.Contains(err.Hint, `repair_store("OrdersStore")`) {
		t.Errorf("%+v", err)
	}
}

// Differences are relative to the coordinator, whichever manager comes first in the session.
func TestView_DifferencesFromTheCoordinator(t *testing.T) {
	all := clustertest.Responses(nil)
	for _, i := range []int{0, 2} {
		all[i].Answer.Body = bytes.ReplaceAll(all[i].Answer.Body, []byte(`"clientPort":7861,"role":"data","manager":"c:7801"`), []byte(`"clientPort":7899,"role":"data","manager":"c:7801"`))
	}
	v := cluster.NewView(clustertest.Store, all)
	var names []string
	for _, d := range v.Differences() {
		names = append(names, d.Manager.String())
		if !strings.Contains(d.Message, "orders-c has client port 7899, not 7861") {
			t.Error(d.Message)
		}
	}
	if len(names) != 2 || names[0] != "a:7801" || names[1] != "c:7801" || v.Latest.Instances[2].ClientPort != 7861 {
		t.Errorf("%v, latest %+v", names, v.Latest.Instances[2])
	}
}
