package builtins

import (
	"strings"
	"testing"

	"dkvrun/builtins/internal/text"
	"dkvrun/builtins/report"
	"dkvrun/runtime/wire"
)

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
