package admin

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// blockWrites makes every write of the catalog fail, as a full disk does.
func blockWrites(t *testing.T, c *catalog.Catalog) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(c.Dir(), "catalog.json.tmp", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestInstance_StartStop(t *testing.T) {
	b := newHarness(t)
	b.must("POST", wire.StoresPath(), orders(2, ownHost), wire.CodeOK, "Created")
	start := wire.InstancePath("OrdersStore", "orders-1") + "/start"
	stop := wire.InstancePath("OrdersStore", "orders-1") + "/stop"
	b.must("POST", stop, nil, wire.CodeUnchanged, "Already stopped")
	b.must("POST", start, nil, wire.CodeOK, "Started")
	b.must("POST", start, nil, wire.CodeUnchanged, "Already running")
	if s := b.store("OrdersStore"); s.Status != wire.StorePartial || s.Instances[0].PID == 0 {
		t.Errorf("got %+v", s)
	}
	b.must("POST", stop+"?force=true", nil, wire.CodeOK, "Stopped")
	if s := b.store("OrdersStore"); !s.Instances[0].Started || s.Instances[1].Started {
		t.Errorf("what has been started: %+v", s.Instances)
	}
	b.refused("POST", wire.InstancePath("Other", "orders-1")+"/start", nil, wire.CodeStoreNotFound, "no store Other")
	b.refused("POST", wire.InstancePath("OrdersStore", "orders-9")+"/stop", nil, wire.CodeInstanceNotFound, "no instance orders-9")

	got := b.do("POST", start, nil)
	if got.Action != "StartInstance:orders-1" {
		t.Errorf("operation %q", got.Action)
	}
	b.sup.err = errors.New("something else")
	b.refused("POST", stop, nil, wire.CodeInternal, "something else")
	b.sup.err = &wire.Result{StatusCode: http.StatusInternalServerError, Code: wire.CodeStopFailed, Message: "it goes on", Hint: "force"}
	b.refused("POST", stop, nil, wire.CodeStopFailed, "it goes on")
}

func TestLocks_OneChangeAtATime(t *testing.T) {
	b := newHarness(t)
	b.must("POST", wire.StoresPath(), orders(2, ownHost), wire.CodeOK, "Created")
	b.sup.enter, b.sup.leave = make(chan struct{}), make(chan struct{})
	first, second := b.request("POST", wire.InstancePath("OrdersStore", "orders-1")+"/start", nil), b.request("POST", wire.InstancePath("OrdersStore", "orders-2")+"/start", nil)
	done := make(chan int, 2)
	for _, req := range []*http.Request{first, second} {
		go func() {
			resp, err := b.server.Client().Do(req)
			if err != nil {
				done <- 0
				return
			}
			_ = resp.Body.Close()
			done <- resp.StatusCode
		}()
		<-b.sup.enter // both are in progress at once
	}
	b.refused("POST", wire.InstancePath("OrdersStore", "orders-1")+"/stop", nil, wire.CodeStoreBusy, "is changing orders-1")
	b.refused("DELETE", wire.StorePath("OrdersStore")+"?force=true", nil, wire.CodeStoreBusy, "is changing OrdersStore")
	b.refused("DELETE", wire.InstancePath("OrdersStore", "orders-2"), nil, wire.CodeStoreBusy, "is changing OrdersStore")
	b.refused("POST", wire.InstancesPath("OrdersStore"), wire.ChangeInstances{BaseRevision: 1, Nodes: nodes(3, ownHost)},
		wire.CodeStoreBusy, "")
	b.refused("POST", wire.StoresPath(), wire.CreateStore{Name: "ORDERSSTORE", Nodes: nodes(1, ownHost)}, wire.CodeStoreBusy, "")
	other := orders(1, otherHost)
	other.Name = "Other"
	b.must("POST", wire.StoresPath(), other, wire.CodeOK, "Created")
	b.sup.leave <- struct{}{}
	b.sup.leave <- struct{}{}
	for range 2 {
		if status := <-done; status != http.StatusOK {
			t.Errorf("a start: %d", status)
		}
	}
	b.sup.enter = nil
	b.must("DELETE", wire.StorePath("OrdersStore")+"?force=true", nil, wire.CodeOK, "Removed")
}

func TestInstance_StartOfJoiner(t *testing.T) {
	b := newHarness(t)
	b.must("POST", wire.StoresPath(), orders(1, ownHost), wire.CodeOK, "Created")
	b.sup.joining = true
	start := wire.InstancePath("OrdersStore", "orders-1") + "/start"
	b.must("POST", start, nil, wire.CodeOK, "Joining: waiting for the store to take it in")
	b.must("POST", start, nil, wire.CodeUnchanged, "Already joining: waiting for the store to take it in")
}

func TestRemoveInstance_Present(t *testing.T) {
	b := newHarness(t)
	b.must("POST", wire.StoresPath(), orders(4, ownHost), wire.CodeOK, "Created") // three have the role data
	b.must("POST", wire.InstancePath("OrdersStore", "orders-1")+"/start", nil, wire.CodeOK, "Started")
	founders := b.store("OrdersStore").Founders
	b.refused("DELETE", wire.InstancePath("OrdersStore", "orders-9"), nil, wire.CodeInstanceNotFound, "no instance orders-9")
	b.refused("DELETE", wire.InstancePath("Other", "orders-1"), nil, wire.CodeStoreNotFound, "no store Other")
	b.refused("DELETE", wire.InstancePath("OrdersStore", "orders-1")+"?baseRevision=4", nil, wire.CodeStaleRevision, "at revision 1")
	b.must("DELETE", wire.InstancePath("OrdersStore", "orders-1")+"?baseRevision=1", nil, wire.CodeOK, "Removed")
	b.must("DELETE", wire.InstancePath("OrdersStore", "orders-1")+"?baseRevision=1", nil, wire.CodeUnchanged, "Already removed")
	b.refused("DELETE", wire.InstancePath("OrdersStore", "orders-1"), nil, wire.CodeInstanceNotFound, "no instance orders-1")

	s := b.store("OrdersStore")
	if s.Revision != 2 || len(s.Instances) != 3 || s.Digest != wire.Digest(s.Name, s.Nodes()) ||
		!slices.Equal(s.Founders, founders) {
		t.Errorf("got %+v", s)
	}
	for _, n := range s.Nodes() {
		if n.Role != wire.Data {
			t.Errorf("the gateway takes the place of what held data: %+v", n)
		}
	}
	if len(s.Leaving) != 1 || s.Leaving[0].Name != "orders-1" || s.Leaving[0].Status != wire.Leaving {
		t.Errorf("leaving %+v", s.Leaving)
	}
	b.refused("POST", wire.InstancesPath("OrdersStore"), wire.ChangeInstances{BaseRevision: 2, Nodes: nodes(4, ownHost)},
		wire.CodeStoreBusy, "orders-1 is still leaving")
	b.refused("POST", wire.InstancePath("OrdersStore", "orders-1")+"/start", nil, wire.CodeInstanceNotFound, "no instance orders-1")

	b.must("DELETE", wire.InstancePath("OrdersStore", "orders-2")+"?loseData=true", nil, wire.CodeOK, "Removed")
	if l := b.catalog.Snapshot().Stores["OrdersStore"].Local["orders-2"]; !l.LoseData || l.Leaving == nil {
		t.Errorf("local %+v", l)
	}
	b.must("DELETE", wire.InstancePath("OrdersStore", "orders-3"), nil, wire.CodeOK, "Removed")
	b.refused("DELETE", wire.InstancePath("OrdersStore", "orders-4"), nil, wire.CodeLastInstance, "goes with the store")
	// orders-1 still runs and can't be stopped by a request: it must not prevent the removal of the store.
	b.must("DELETE", wire.StorePath("OrdersStore"), nil, wire.CodeOK, "Removed")
}

func TestRemoveInstance_BeforeFirstStart(t *testing.T) {
	for _, c := range []struct {
		said     string
		nodes    []wire.Node
		founders int
	}{
		{"all instances are its own: none has run", nodes(2, ownHost), 1},
		{"another server's may have run", nodes(2, ownHost, otherHost), 2},
	} {
		t.Run(c.said, func(t *testing.T) {
			b := newHarness(t)
			b.must("POST", wire.StoresPath(), wire.CreateStore{Name: "OrdersStore", Nodes: c.nodes}, wire.CodeOK, "Created")
			b.must("DELETE", wire.InstancePath("OrdersStore", "orders-2"), nil, wire.CodeOK, "Removed")
			if s := b.store("OrdersStore"); len(s.Founders) != c.founders {
				t.Errorf("founders %v, want %d", s.Founders, c.founders)
			}
		})
	}
}
