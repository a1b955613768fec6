package catalog

import (
	"slices"
	"strings"
	"time"

	"dkvrun/runtime/wire"
)

// How much is kept of what is over. The oldest goes first.
const (
	maxDecisions = 64   // operations a name
	maxGone      = 1024 // names that are no store
)

// Name is what operations left behind of a store's name.
type Name struct {
	// Epoch is the highest one that this manager has voted for. It never goes down.
	Epoch uint64 `json:"epoch,omitempty"`
	// Removed is the operation that removed the store; empty where there is one, or never was.
	Removed string `json:"removed,omitempty"`
	// Prepared is the change that this manager has voted for and that is not decided.
	Prepared *PreparedRecord `json:"pending,omitempty"`
	// Decisions are the operations whose end this manager has seen, the latest last.
	Decisions []DecisionRecord `json:"decided,omitempty"`
	// Fenced are the managers that were declared lost, for as long as the store lives.
	Fenced []string `json:"fenced,omitempty"`
	// Replacing is a manager that is being declared lost: nothing is decided by its word any more.
	Replacing string `json:"repairing,omitempty"`
	// DeclaredLost says that this manager itself was declared lost.
	DeclaredLost bool `json:"out,omitempty"`
	// Touched is when an operation last ended.
	Touched time.Time `json:"touched"`
}

// PreparedRecord is a change that this manager has voted for.
type PreparedRecord struct {
	wire.Operation
	// Digest is Change.Digest().
	Digest string `json:"digest"`
	// Since is when this manager first voted for it.
	Since time.Time `json:"since"`
}

// DecisionRecord is how an operation ended at this manager.
type DecisionRecord struct {
	ID        string `json:"id"`
	Store     string `json:"store"`
	Action    string `json:"action,omitempty"`
	Epoch     uint64 `json:"epoch,omitempty"`
	Digest    string `json:"digest,omitempty"` // empty where only the abort came
	Committed bool   `json:"committed"`
}

// Named returns the store whose name is the same but for upper and lower case, or nil.
func (d *Data) Named(store string) *Store {
	if s := d.Stores[store]; s != nil {
		return s
	}
	for _, s := range d.Stores {
		if strings.EqualFold(s.Name, store) {
			return s
		}
	}
	return nil
}

// Name is what is known of a store's name; the zero value where nothing is.
func (d *Data) Name(store string) Name {
	n := Name{}
	if known := d.Names[strings.ToLower(store)]; known != nil {
		n = *known
	}
	if s := d.Named(store); s != nil {
		n.Epoch = max(n.Epoch, s.Epoch)
	}
	return n
}

// SetName changes what is known of a store's name.
func (d *Data) SetName(store string, change func(*Name)) {
	n := d.Name(store)
	change(&n)
	if d.Names == nil {
		d.Names = map[string]*Name{}
	}
	d.Names[strings.ToLower(store)] = &n
	d.dropOldest()
}

// dropOldest bounds how many names are kept that are no store.
func (d *Data) dropOldest() {
	gone, oldest := 0, ""
	for key, n := range d.Names {
		if n.Prepared != nil || n.Replacing != "" || d.Named(key) != nil {
			continue
		}
		gone++
		if oldest == "" || n.Touched.Before(d.Names[oldest].Touched) {
			oldest = key
		}
	}
	if gone > maxGone {
		delete(d.Names, oldest)
	}
}

// Prepared finds the change that is not decided of an operation, or returns nil.
func (d *Data) Prepared(id string) *PreparedRecord {
	for _, n := range d.Names {
		if n.Prepared != nil && n.Prepared.ID == id {
			return n.Prepared
		}
	}
	return nil
}

// Decision returns how an operation ended, or nil where that is not known.
func (d *Data) Decision(id string) *DecisionRecord {
	for _, n := range d.Names {
		if i := slices.IndexFunc(n.Decisions, func(x DecisionRecord) bool { return x.ID == id }); i >= 0 {
			return &n.Decisions[i]
		}
	}
	return nil
}

// RecordDecision keeps how an operation ended, and drops it where it was pending.
func (d *Data) RecordDecision(x DecisionRecord, now time.Time) {
	d.SetName(x.Store, func(n *Name) {
		if n.Prepared != nil && n.Prepared.ID == x.ID {
			n.Prepared = nil
		}
		n.Decisions = append(slices.Clone(n.Decisions[max(0, len(n.Decisions)-maxDecisions+1):]), x)
		n.Touched = now
	})
}

// LastCommitted is the operation that made the store's revision; the same at all managers also where it was
// no operation, but a change at each of them.
func (s *Store) LastCommitted() string {
	if s.LastOperation != "" {
		return s.LastOperation
	}
	return "d-" + s.Digest[:min(32, len(s.Digest))]
}

// Configuration is what all managers of the store keep alike.
func (s *Store) Configuration() *wire.Configuration {
	return &wire.Configuration{
		Creation: s.Creation, LastOperation: s.LastCommitted(), Revision: s.Revision, Epoch: s.Epoch, Digest: s.Digest, Coordinator: s.Coordinator,
		Managers: s.Managers, Founders: s.Founders, Nodes: s.Nodes,
	}
}
