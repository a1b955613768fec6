package builtins

import (
	"strings"
	"testing"
	"time"

	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

func TestAPendingChangeIsShownWithWhoHoldsIt(t *testing.T) {
	v := clusterView(nil)
	if pendingRecord(v) != nil {
		t.Fatal("nothing is pending, and something is shown")
	}
	early, late := time.Now().Add(-90*time.Second), time.Now()
	v.sightings[0].store.Pending = &wire.Operation{ID: "op-9", Action: wire.AddInstanceAction, Owner: "alice@ops-1", Since: &late}
	v.sightings[2].store.Pending = &wire.Operation{ID: "op-9", Action: wire.AddInstanceAction, Owner: "alice@ops-1", Since: &early}
	values := pendingRecord(v).(runtime.Record).Values
	if values["operation"] != "op-9" || values["owner"] != "alice@ops-1" || values["action"] != "AddInstance" || values["since"] != early.UTC().Format(time.RFC3339) {
		t.Errorf("%v", values)
	}
	if age := values["age_sec"].(float64); age < 90 || age > 100 {
		t.Errorf("age %v", age)
	}
	if held := values["managers"].(runtime.List).Items; len(held) != 2 || held[0] != "a:7801" || held[1] != "c:7801" {
		t.Errorf("held by %v", held)
	}
}

func TestManagersThatDifferAreNamed(t *testing.T) {
	v := clusterView(nil)
	if list := differenceRecords(v); len(list.Items) != 0 {
		t.Fatalf("all agree: %v", list.Items)
	}
	v.latest.Managers = []wire.Manager{{Identity: "3", URL: "http://c:7801"}}
	for says, spoil := range map[string]func(*sighting){
		"does not have the store": func(s *sighting) { s.store = nil },
		"another store of that name": func(s *sighting) {
			other := *s.store
			other.Operation, s.store = "op-7", &other
		},
		"has revision 4, others have 1": func(s *sighting) {
			other := *s.store
			other.Revision, s.store = 4, &other
		},
		"with another content": func(s *sighting) {
			other := *s.store
			other.Digest, s.store = "other", &other
		},
	} {
		there := v.sightings[2]
		spoil(&v.sightings[2])
		list := differenceRecords(v)
		v.sightings[2] = there
		if len(list.Items) != 1 {
			t.Errorf("%s: %v", says, list.Items)
			continue
		}
		values := list.Items[0].(runtime.Record).Values
		if values["manager"] != "c:7801" || !strings.Contains(values["message"].(string), says) {
			t.Errorf("%v, want %q", values, says)
		}
	}
}
