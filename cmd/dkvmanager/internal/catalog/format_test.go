package catalog

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// load opens a folder that holds a fixture as a released version wrote it. Fixtures never change: a new format gets
// a new file.
func load(t *testing.T, fixture string) *Catalog {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", fixture))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, mainFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
	c := open(t, dir)
	again, err := json.Marshal(c.Snapshot())
	if err != nil || !bytes.Equal(again, c.payload) {
		t.Errorf("it would be written as %s (%v), the fixture has %s: that is another format", again, err, c.payload)
	}
	return c
}

// TestCatalog_ReadsFormat1 loads a catalog that version 0.1.0 wrote.
func TestCatalog_ReadsFormat1(t *testing.T) {
	c := load(t, "format1.json")
	if got := c.Snapshot().Stores["OrdersStore"]; !reflect.DeepEqual(got, orders()) {
		t.Errorf("got %+v, want %+v", got, orders())
	}
}

// TestCatalog_ReadsFormat2 loads a catalog that the first version with operations wrote: an undecided vote, decisions,
// a removed store, and an unfinished coordinator replacement.
func TestCatalog_ReadsFormat2(t *testing.T) {
	if got, want := load(t, "format2.json").Snapshot(), operated(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestFormat_CatalogOfALongLife loads the catalog of a manager that created one store and removed another, added
// instances to the first while it ran, and stopped an instance. The suspect store was added by hand.
func TestFormat_CatalogOfALongLife(t *testing.T) {
	data := load(t, "lived.json").Snapshot()
	s, gone := data.Stores["Stays"], data.Names["gone"]
	if s == nil || s.Revision != 2 || len(s.Nodes) != 3 || len(s.Founders) != 2 ||
		s.Local["s-3"].Desired != wire.DesiredStopped {
		t.Errorf("got the store %+v", s)
	}
	if gone == nil || gone.Removed != gone.Decisions[1].ID || !gone.Decisions[1].Committed || gone.Epoch != 2 {
		t.Errorf("got %+v of the removed store", gone)
	}
	if !reflect.DeepEqual(data.SuspectStores, []string{"stays"}) {
		t.Errorf("got the doubtful stores %q", data.SuspectStores)
	}
}

// operated returns a catalog with all kinds of records that operations leave.
func operated() *Data {
	when := time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)
	s := orders()
	s.LastOperation = "0198f0a0-0000-7000-8000-000000000002"
	pending := &PreparedRecord{
		Operation: wire.Operation{
			ID: "0198f0a0-0000-7000-8000-000000000003", Action: wire.AddInstanceAction, Store: s.Name, Owner: "ada@ops, process 7",
			Coordinator: "a", Managers: s.Managers, BaseRevision: 2, BaseOperation: s.LastOperation, Epoch: 3,
			Creation: s.Creation, Nodes: s.Nodes, Founders: s.Founders, Desired: wire.DesiredRunning,
		},
		Since: when,
	}
	pending.Digest = "9b0c"
	return &Data{
		Stores: map[string]*Store{s.Name: s},
		Names: map[string]*Name{
			"ordersstore": {Epoch: 3, Prepared: pending, Fenced: []string{"b"}, Touched: when, Decisions: []DecisionRecord{
				{ID: s.Creation, Store: s.Name, Action: wire.CreateAction, Epoch: 1, Digest: "4f1a", Committed: true},
				{ID: "0198f0a0-0000-7000-8000-000000000009", Store: s.Name, Epoch: 2},
			}},
			"cartstore": {Epoch: 7, Removed: "0198f0a0-0000-7000-8000-000000000004", Touched: when},
			"pagestore": {Epoch: 2, Replacing: "c", DeclaredLost: true, Touched: when},
		},
	}
}
