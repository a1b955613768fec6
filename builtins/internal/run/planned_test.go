package run

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/cluster/clustertest"
	"dkvrun/builtins/report"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// extended returns the operation that adds orders-c2 on c to the store of clustertest and removes orders-b.
func extended(v *cluster.View) wire.Operation {
	var nodes []wire.Node
	for _, in := range v.Instances {
		if in.Name != "orders-b" {
			nodes = append(nodes, in.Node)
		}
	}
	nodes = append(nodes, wire.Node{
		Name: "orders-c2", Host: "c", ClustronPort: 7812, ClientPort: 7862, Role: wire.Gateway, Manager: "c:7801",
	})
	return wire.Operation{Store: clustertest.Store, ID: "op-2", BaseRevision: 1, Nodes: nodes}
}

func TestPlanned_StoreAfterAnOperation(t *testing.T) {
	v := clustertest.View(clustertest.StopFirst(1))
	c := extended(v)
	store := plannedStore(v, c)
	if store.Revision != 2 || store.LastOperation != "op-2" || store.Digest != wire.Digest(c.Store, c.Nodes) {
		t.Errorf("planned %+v", store)
	}
	got := map[string]wire.Status{}
	for _, in := range store.Instances {
		got[in.Name] = in.Status
	}
	want := map[string]wire.Status{"orders-a": wire.Stopped, "orders-c": wire.Running, "orders-c2": wire.Stopped}
	if len(got) != len(want) {
		t.Fatalf("planned %v, want %v", got, want)
	}
	for name, status := range want {
		if got[name] != status {
			t.Errorf("%s: planned %q, want %q", name, got[name], status)
		}
	}
	if v.Latest.Revision != 1 {
		t.Error("the plan changed the store that it was made from")
	}
	c.Desired = wire.DesiredRunning
	store = plannedStore(v, c)
	if added := store.Instances[len(store.Instances)-1]; added.Name != "orders-c2" || !added.Ready {
		t.Errorf("a new instance that is to run: %+v", added)
	}
	if store := plannedStore(v, wire.Operation{Store: clustertest.Store, BaseRevision: 1}); store != nil {
		t.Errorf("a removal plans %+v", store)
	}
}

func TestPlanned_OverlayOfAStore(t *testing.T) {
	var p plannedState
	v := clustertest.View(nil)
	p.set(clustertest.Store, plannedStore(v, extended(v)))
	responses := clustertest.Responses(nil)
	responses[0].Answer = fanout.Answer{Err: &fanout.Error{Class: fanout.Timeout, Message: "no answer"}}
	p.overlay(wire.StorePath(clustertest.Store), responses, nil)
	if responses[0].Answer.Err == nil || responses[0].Answer.Body != nil {
		t.Errorf("the plan answers for a silent manager: %+v", responses[0].Answer)
	}
	for i, want := range map[int]struct {
		status wire.StoreStatus
		own    []string
	}{1: {wire.StoreNoInstances, nil}, 2: {wire.StorePartial, []string{"orders-c", "orders-c2"}}} {
		var store wire.Store
		if err := json.Unmarshal(responses[i].Answer.Body, &store); err != nil {
			t.Fatal(err)
		}
		var own []string
		for _, in := range store.Instances {
			switch {
			case in.Own:
				own = append(own, in.Name)
			case in.Status != wire.Unknown || in.Ready:
				t.Errorf("manager %d knows the status of %s, which runs elsewhere: %s", i, in.Name, in.Status)
			}
		}
		if store.Status != want.status || !slices.Equal(own, want.own) {
			t.Errorf("manager %d answers %s with %v, want %s with %v", i, store.Status, own, want.status, want.own)
		}
	}
}

func TestPlanned_OverlayOfARemovedStore(t *testing.T) {
	var p plannedState
	p.set(clustertest.Store, nil)
	responses := clustertest.Responses(nil)
	p.overlay(wire.StorePath(clustertest.Store), responses, nil)
	for i, r := range responses {
		if r.Answer.Status != http.StatusNotFound || r.Row.Result != report.Failed || r.Row.Code != wire.CodeStoreNotFound {
			t.Errorf("manager %d answers %d %+v", i, r.Answer.Status, r.Row)
		}
	}
	responses = clustertest.Responses(nil)
	p.overlay(wire.StorePath("OtherStore"), responses, nil)
	if !slices.EqualFunc(responses, clustertest.Responses(nil), func(a, b cluster.Response) bool {
		return string(a.Answer.Body) == string(b.Answer.Body) && a.Row == b.Row
	}) {
		t.Error("the plan for one store changed the answers about another")
	}
}

func TestPlanned_OverlayOfAList(t *testing.T) {
	other := wire.Store{Name: "OtherStore", Status: wire.StoreRunning}
	list := func() []cluster.Response {
		responses := clustertest.Responses(nil)
		for i := range responses {
			var store wire.Store
			if err := json.Unmarshal(responses[i].Answer.Body, &store); err != nil {
				t.Fatal(err)
			}
			responses[i].Answer.Body = encoded([]wire.Store{store, other})
		}
		return responses
	}
	names := func(r cluster.Response) (out []string) {
		var stores []wire.Store
		if err := json.Unmarshal(r.Answer.Body, &stores); err != nil {
			t.Fatal(err)
		}
		for _, s := range stores {
			out = append(out, s.Name)
		}
		return out
	}
	var p plannedState
	p.set(clustertest.Store, nil)
	p.set("NewStore", &wire.Store{Name: "NewStore"})
	responses := list()
	responses[2].Row.Success = false
	p.overlay(wire.StoresPath(), responses, nil)
	for i, want := range [][]string{{"OtherStore", "NewStore"}, {"OtherStore", "NewStore"}, {clustertest.Store, "OtherStore"}} {
		if got := names(responses[i]); !slices.Equal(got, want) {
			t.Errorf("manager %d lists %v, want %v", i, got, want)
		}
	}
	p.reset()
	if p.has("NewStore") || len(p.all()) > 0 {
		t.Error("the plan outlives its reset")
	}
}

func TestPlannedData_OfAPlannedStore(t *testing.T) {
	var p plannedState
	p.set(clustertest.Store, &wire.Store{Name: clustertest.Store})
	d := p.dataOf(clustertest.Store)
	for _, key := range []string{"a/2", "b", "a/1", "a/3"} {
		d.Put([]byte(key), []byte("v "+key))
	}
	if !d.Delete([]byte("a/3")) || d.Delete([]byte("a/3")) || d.Delete([]byte("never")) {
		t.Error("Delete does not say whether the key was set")
	}
	for _, c := range []struct {
		first, end string
		limit      int
		want       []string
		more       bool
	}{
		{"a/", "a0", 0, []string{"a/1", "a/2"}, false},
		{"a/", "a0", 1, []string{"a/1"}, true},
		{"a/", "a0", 2, []string{"a/1", "a/2"}, false},
		{"a/2", "\x00", 0, []string{"a/2", "b"}, false},
		{"c", "\x00", 0, nil, false},
	} {
		pairs, more, known := d.Range([]byte(c.first), []byte(c.end), c.limit)
		var got []string
		for _, pair := range pairs {
			got = append(got, string(pair.Key))
			if string(pair.Value) != "v "+string(pair.Key) {
				t.Errorf("%s has the value %q", pair.Key, pair.Value)
			}
		}
		if !known || more != c.more || !slices.Equal(got, c.want) {
			t.Errorf("from %q to %q, at most %d: %v, more %v, known %v", c.first, c.end, c.limit, got, more, known)
		}
	}
	if value, known := d.Get([]byte("never")); value != nil || !known {
		t.Errorf("a key that was never set: %q, %v", value, known)
	}
}

func TestPlannedData_OfAStoreThatExists(t *testing.T) {
	var p plannedState
	d := p.dataOf(clustertest.Store)
	value := []byte("v")
	d.Put([]byte("k"), value)
	value[0] = 'x' // the caller changes its slice
	if got, known := d.Get([]byte("k")); string(got) != "v" || !known {
		t.Errorf("a key that was set: %q, %v", got, known)
	}
	if _, known := d.Get([]byte("other")); known {
		t.Error("a key of the store is known without reading it")
	}
	d.Delete([]byte("other"))
	if got, known := d.Get([]byte("other")); got != nil || !known {
		t.Errorf("a key that was deleted: %q, %v", got, known)
	}
	if _, _, known := d.Range([]byte("a"), []byte{0}, 0); known {
		t.Error("the keys of the store are known without reading it")
	}
	if p.dataOf(clustertest.Store) != d {
		t.Error("the second writer gets other data")
	}
}
