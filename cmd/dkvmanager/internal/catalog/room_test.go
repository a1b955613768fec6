package catalog

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// catalogFull reports whether an error is the refusal of a full catalog.
func catalogFull(err error) bool {
	var r *wire.Result
	return errors.As(err, &r) && r.Code == wire.CodeCatalogFull
}

func TestCatalog_RefusesStoresBeyondItsBound(t *testing.T) {
	c := open(t, t.TempDir())
	c.maxStores = 3
	create := func(name string) error {
		return c.Update(func(d *Data) error {
			d.NeedRoom()
			d.Stores[name] = &Store{Name: name}
			return nil
		})
	}
	for i := range 2 {
		if err := create(fmt.Sprintf("S%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	prepared := &PreparedRecord{Operation: wire.Operation{ID: "o", Store: "New"}}
	vote := func(store string) error {
		return c.Update(func(d *Data) error {
			d.NeedRoom()
			d.SetName(store, func(n *Name) { n.Prepared = prepared })
			return nil
		})
	}
	if err := vote("S0"); err != nil { // a change of a store
		t.Fatal(err)
	}
	if err := vote("New"); err != nil { // the third store
		t.Fatal(err)
	}
	before := c.Generation()
	if err := create("S3"); !catalogFull(err) || c.Snapshot().Stores["S3"] != nil || c.Generation() != before {
		t.Errorf("a fourth store: %v", err)
	}
	if err := vote("Newer"); !catalogFull(err) {
		t.Errorf("a vote for a fourth store: %v", err)
	}
	c.maxStores = 0 // the commit of a vote is never refused
	if err := c.Update(func(d *Data) error {
		d.Stores["New"] = &Store{Name: "New"}
		d.RecordDecision(DecisionRecord{ID: "o", Store: "New", Committed: true}, time.Now())
		return nil
	}); err != nil {
		t.Errorf("a commit: %v", err)
	}
}

func TestCatalog_RefusesBytesBeyondItsBound(t *testing.T) {
	c := open(t, t.TempDir())
	c.maxBytes = 64 << 10
	fill := func(name string) error {
		return c.Update(func(d *Data) error {
			d.NeedRoom()
			d.Stores[name] = &Store{Name: name, Digest: strings.Repeat("x", 40<<10)}
			return nil
		})
	}
	if err := fill("A"); err != nil {
		t.Fatal(err)
	}
	if err := fill("B"); !catalogFull(err) || !strings.Contains(err.Error(), "of at most 64 KiB") {
		t.Errorf("over the bound: %v", err)
	}
	// Old decisions are dropped, of names with and without a store, and small updates still fit.
	for i := range maxDecisions * 10 {
		if err := c.Update(func(d *Data) error {
			id, store := fmt.Sprintf("op-%036d", i), fmt.Sprintf("Gone%d", i%10)
			if i%10 == 9 {
				store = "A"
			}
			d.RecordDecision(DecisionRecord{ID: id, Store: store, Epoch: 1}, time.Now())
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if size := len(c.payload); size > c.maxBytes {
		t.Errorf("decisions take the catalog to %d bytes", size)
	}
	if n := c.Snapshot().Name("Gone0"); len(n.Decisions) < keptDecisions {
		t.Errorf("%d decisions are left", len(n.Decisions))
	}
	if n := c.Snapshot().Name("A"); len(n.Decisions) < keptDecisions || len(n.Decisions) == maxDecisions {
		t.Errorf("%d decisions of a store are left", len(n.Decisions))
	}
}

// A late message of an operation whose records were dropped finds its epoch.
func TestRoom_DroppedEpochsStay(t *testing.T) {
	d := &Data{Stores: map[string]*Store{}}
	d.SetName("Removed", func(n *Name) { n.Epoch = 7 })
	for i := range maxGone {
		if seen := d.SeenEpoch("Other"); seen != 0 {
			t.Fatalf("after %d operations an unknown name has epoch %d", i, seen)
		}
		d.RecordDecision(DecisionRecord{ID: fmt.Sprint("op-", i), Store: fmt.Sprint("Invented", i)}, time.Unix(int64(i+2), 0))
	}
	if n := d.Name("Removed"); n.Epoch != 0 {
		t.Fatalf("the records were not dropped: %+v", n)
	}
	if seen := d.clone().SeenEpoch("Removed"); seen != 7 {
		t.Errorf("the epoch is %d, want 7", seen)
	}
	d.RecordDecision(DecisionRecord{ID: "late", Store: "Removed"}, time.Unix(3000, 0)) // an abort brings a record without an epoch
	if seen := d.SeenEpoch("Removed"); seen != 7 {
		t.Errorf("after a late abort the epoch is %d, want 7", seen)
	}
}

// Operations that anyone can invent drop the records of removed stores, and no record that a manager was declared lost.
func TestRoom_InventedOperationsUndoNoFence(t *testing.T) {
	d := &Data{Stores: map[string]*Store{}}
	d.SetName("Fenced", func(n *Name) { n.Fenced = []string{"lost"} })
	d.SetName("Lost", func(n *Name) { n.DeclaredLost = true })
	d.RecordDecision(DecisionRecord{ID: "op", Store: "Removed"}, time.Unix(1, 0))
	for i := range maxGone + 10 {
		d.RecordDecision(DecisionRecord{ID: fmt.Sprint("op-", i), Store: fmt.Sprint("Invented", i)}, time.Unix(int64(i+2), 0))
	}
	if n := d.Name("Fenced"); len(n.Fenced) != 1 || d.FencedGone() != 1 {
		t.Errorf("%+v, %d names are fenced", n, d.FencedGone())
	}
	if n := d.Name("Lost"); !n.DeclaredLost {
		t.Errorf("%+v", n)
	}
	if n := d.Name("Removed"); len(n.Decisions) != 0 || len(d.Names) != maxGone+2 {
		t.Errorf("%+v; %d names are kept", n, len(d.Names))
	}
}
