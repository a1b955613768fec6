package stores

import (
	"testing"
	"time"

	"dkvrun/builtins/internal/cluster/clustertest"
	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

func TestStoreStatus_Pending(t *testing.T) {
	v := clustertest.View(nil)
	if pendingRecord(v) != nil {
		t.Fatal("nothing is pending, and something is shown")
	}
	since := time.Now().Add(-90 * time.Second)
	v.Reports[2].Store.Prepared = &wire.OperationStatus{ID: "op-9", Action: wire.AddInstanceAction, Owner: "alice@ops-1", Since: &since}
	values := pendingRecord(v).(runtime.Record).Values
	if values["operation"] != "op-9" || values["owner"] != "alice@ops-1" || values["action"] != "AddInstance" || values["since"] != since.UTC().Format(time.RFC3339) {
		t.Errorf("%v", values)
	}
	if age := values["age_sec"].(float64); age < 90 || age > 100 {
		t.Errorf("age %v", age)
	}
	if held := values["managers"].(runtime.List).Items; len(held) != 1 || held[0] != "c:7801" {
		t.Errorf("held by %v", held)
	}
}

func TestStoreStatus_Differences(t *testing.T) {
	v := clustertest.View(nil)
	v.Reports[2].Store = nil
	list := differenceRecords(v)
	if len(list.Items) != 1 {
		t.Fatalf("%v", list.Items)
	}
	values := list.Items[0].(runtime.Record).Values
	if values["manager"] != "c:7801" || values["revision"] != nil || values["message"] == "" {
		t.Errorf("%v", values)
	}
}
