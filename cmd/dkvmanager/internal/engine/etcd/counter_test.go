package etcd

import (
	"fmt"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"dkvrun/cmd/dkvmanager/internal/storetest"
)

// wantMetric returns an error unless the instance reports this total.
func wantMetric(in *instance, name string, want float64) error {
	metrics := in.metrics()
	got, ok := metrics[name]
	if !ok {
		return fmt.Errorf("%s has no %s: %v", in.spec.Instance, name, metrics)
	}
	if got != want {
		return fmt.Errorf("%s: %s is %v, want %v", in.spec.Instance, name, got, want)
	}
	return nil
}

// wantRequests checks the requests that an instance has counted.
func wantRequests(t *testing.T, in *instance, gets, puts, removes float64) {
	t.Helper()
	for name, want := range map[string]float64{"Get": gets, "Put": puts, "Remove": removes} {
		if err := wantMetric(in, "Requests/"+name, want); err != nil {
			t.Error(err)
		}
	}
}

func TestCounter_CountsWhereOperationsEnter(t *testing.T) {
	t.Parallel()
	store := newStore(t, 1, 1)
	voter, gateway := store[0], store[1]
	startAll(store)
	wantRequests(t, voter, 0, 0, 0)
	wantRequests(t, gateway, 0, 0, 0)

	for i := range 5 {
		gateway.put(fmt.Sprintf("key-%d", i), "v")
	}
	wantRequests(t, gateway, 0, 5, 0)
	wantRequests(t, voter, 0, 0, 0)

	voter.put("key-0", "w")
	if got := voter.get("key-0"); got != "w" {
		t.Errorf("key-0 = %q", got)
	}
	voter.mustPost("/v3/kv/deleterange", map[string]any{"key": b64("key-4")})
	wantRequests(t, voter, 1, 1, 1)

	// Operations of the executed branch count, nested transactions included; those of the other branch don't.
	client := gateway.client()
	_, err := client.Txn(t.Context()).
		If(clientv3.Compare(clientv3.Value("key-0"), "=", "w")).
		Then(clientv3.OpPut("key-1", "x"), clientv3.OpGet("key-2"),
			clientv3.OpTxn(nil, []clientv3.Op{clientv3.OpPut("key-2", "x")}, nil)).
		Else(clientv3.OpDelete("key-3")).Commit()
	if err != nil {
		t.Fatal(err)
	}
	wantRequests(t, gateway, 1, 7, 0)
	wantRequests(t, voter, 1, 1, 1)

	// A failed request doesn't count.
	if _, err := client.Put(t.Context(), "", "no key"); err == nil {
		t.Error("a put without a key worked")
	}
	wantRequests(t, gateway, 1, 7, 0)
}

func TestGauges_Measure(t *testing.T) {
	t.Parallel()
	store := newStore(t, 1, 1)
	voter, gateway := store[0], store[1]
	startAll(store)
	for i := range 3 {
		gateway.put(fmt.Sprintf("key-%d", i), "v")
	}
	gateway.mustPost("/v3/kv/deleterange", map[string]any{"key": b64("key-0")})
	client := gateway.client()
	if _, err := client.Grant(t.Context(), 60); err != nil {
		t.Fatal(err)
	}
	watching, cancel := clientContext(t)
	client.Watch(watching, "key-1")
	voter.client().Watch(t.Context(), "key-1")

	for name, want := range map[string]float64{"Storage/ItemsCount": 2, "Lease/Active": 1, "Cluster/IsLeader": 1, "Watch/Active": 1} {
		storetest.Eventually(t, startLimit, name+" is right", func() error { return wantMetric(voter, name, want) })
	}
	if bytes := voter.metrics()["Storage/Bytes"]; bytes < 1024 {
		t.Errorf("Storage/Bytes is %v", bytes)
	}
	storetest.Eventually(t, startLimit, "the gateway counts its watch", func() error { return wantMetric(gateway, "Watch/Active", 1) })
	cancel()
	storetest.Eventually(t, startLimit, "the watch is gone", func() error { return wantMetric(gateway, "Watch/Active", 0) })
	for _, name := range []string{"Storage/ItemsCount", "Storage/Bytes", "Lease/Active", "Cluster/IsLeader"} {
		if value, ok := gateway.metrics()[name]; ok {
			t.Errorf("a gateway reports %s: %v", name, value)
		}
	}
}
