package catalog

import (
	"slices"
	"strings"
	"time"

	"dkvrun/runtime/wire"
)

// Limits of the history. The oldest entry is dropped first. Correctness doesn't depend on the history: whether an
// operation still counts follows from the epochs and from Store.LastOperation.
const (
	maxDecisions = 64   // operations per name
	maxGone      = 1024 // names without a store
	// MaxFencedGone is the number of names without a store for which managers may be recorded as lost. Those are never
	// dropped: once they are that many, no further one is taken in.
	MaxFencedGone = 1024
)

// Name holds the protocol's records of one store name. They outlive the store: a message that is still in transit may
// name a store that was removed meanwhile, and must find the epoch and the decision.
type Name struct {
	// Epoch is the highest epoch that this manager has voted for. It never decreases, so that a late or repeated
	// message of an older operation is refused (I1).
	Epoch uint64 `json:"epoch,omitempty"`
	// Removed is the operation that removed the store; empty if there is a store, or never was one. A participant that
	// was away learns from it that its store was removed and not merely unknown here (I5).
	Removed string `json:"removed,omitempty"`
	// Prepared is the operation that this manager has voted for and that is undecided here. It locks the name and
	// keeps the ports, so that the vote can be honoured (I4). There is at most one (I6). After a crash a participant
	// keeps it and asks the coordinator; the coordinator itself aborts it, because its lease did not survive.
	Prepared *PreparedRecord `json:"pending,omitempty"`
	// Decisions lists the operations whose outcome this manager has seen, the latest last.
	Decisions []DecisionRecord `json:"decided,omitempty"`
	// Fenced lists the managers that were declared lost. Their messages are refused, so that a lost coordinator that
	// returns decides nothing (I8). An entry ends when a committed operation has that manager as a participant again.
	Fenced []string `json:"fenced,omitempty"`
	// Replacing is the coordinator that is being declared lost. This manager has promised not to follow its
	// decisions any more; the promise is durable before a replacement is decided (I8). A replacement that was
	// interrupted is found here, and the name stays locked until it is completed.
	Replacing string `json:"repairing,omitempty"`
	// DeclaredLost means that this manager itself was declared lost. It votes and decides no more (I8). It stops its
	// instances of the store and keeps their data until the store is removed here.
	DeclaredLost bool `json:"out,omitempty"`
	// Confirmed means that all managers concerned were asked about the name since Data.SuspectNames was set.
	Confirmed bool `json:"confirmed,omitempty"`
	// Touched is the time at which an operation last ended. Only dropOldest uses it: no decision depends on a clock.
	Touched time.Time `json:"touched"`
}

// PreparedRecord is the durable yes-vote for an operation.
type PreparedRecord struct {
	// Operation has everything that the commit needs: after a crash this manager needs the content from no other
	// manager (I4).
	wire.Operation
	// Digest is Operation.Digest(). A repeated prepare with another content is refused (I7).
	Digest string `json:"digest"`
	// Since is the time at which this manager first voted for the operation. Refusals show it to other drivers.
	Since time.Time `json:"since"`
}

// DecisionRecord is the outcome of an operation at this manager. An operation never has two outcomes (I1). At the
// coordinator, the durable write of a record with Committed set is the commit point of the operation.
type DecisionRecord struct {
	ID     string `json:"id"`
	Store  string `json:"store"`
	Action string `json:"action,omitempty"`
	// Epoch is the epoch that was voted for. A commit for another epoch is not the one that was decided (I1).
	Epoch uint64 `json:"epoch,omitempty"`
	// Digest is that of the prepared record, so that the id can't be used again with another content (I7). It is empty
	// if this manager received only the abort.
	Digest    string `json:"digest,omitempty"`
	Committed bool   `json:"committed"`
}

// Named returns the store with this name, ignoring upper and lower case, or nil.
func (d *Data) Named(store string) *Store {
	if s := d.Stores[store]; s != nil {
		return s
	}
	// Two stores whose names differ only in case would share a record in Names, so they count as one (I2).
	for _, s := range d.Stores {
		if strings.EqualFold(s.Name, store) {
			return s
		}
	}
	return nil
}

// Name returns the records of a store name, or the zero value. The epoch is at least that of the store: a store
// that this manager learned without a vote must not lower it (I1).
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

// SetName replaces the records of a store name with a copy that change has edited. The old value stays as it is, for
// the snapshots that share it; change must replace slices instead of editing them.
func (d *Data) SetName(store string, change func(*Name)) {
	n := d.Name(store)
	change(&n)
	if d.Names == nil {
		d.Names = map[string]*Name{}
	}
	d.Names[strings.ToLower(store)] = &n
	d.dropOldest()
}

// dropOldest bounds the number of names without a store. A name with a prepared operation, an unfinished replacement or
// a manager that was declared lost is a promise and never dropped (I4, I8): otherwise aborts of invented operations,
// which anyone can send, would make room by undoing fences. Of the others the epoch stays, as DroppedEpoch (I1).
func (d *Data) dropOldest() {
	gone, oldest := 0, ""
	for key, n := range d.Names {
		if n.Prepared != nil || n.Replacing != "" || len(n.Fenced) > 0 || n.DeclaredLost || d.Named(key) != nil {
			continue
		}
		gone++
		if oldest == "" || n.Touched.Before(d.Names[oldest].Touched) {
			oldest = key
		}
	}
	if gone > maxGone {
		d.DroppedEpoch = max(d.DroppedEpoch, d.Names[oldest].Epoch)
		delete(d.Names, oldest)
	}
}

// SeenEpoch returns the epoch that a new vote for an operation on a store name must exceed: the highest one of the
// name, and of the names whose records were dropped, which this name may be one of. Otherwise a late prepare could
// start an operation of a dropped name again, and the coordinator commit what it has aborted (I1).
func (d *Data) SeenEpoch(store string) uint64 {
	return max(d.Name(store).Epoch, d.DroppedEpoch)
}

// FencedGone returns the number of names without a store for which managers are recorded as lost.
func (d *Data) FencedGone() int {
	count := 0
	for key, n := range d.Names {
		if len(n.Fenced) > 0 && d.Named(key) == nil {
			count++
		}
	}
	return count
}

// Prepared returns the prepared record of the operation with this id, or nil.
func (d *Data) Prepared(id string) *PreparedRecord {
	for _, n := range d.Names {
		if n.Prepared != nil && n.Prepared.ID == id {
			return n.Prepared
		}
	}
	return nil
}

// Decision returns the outcome of the operation with this id, or nil if it is unknown. Unknown is not aborted: the
// record may have been dropped, or the operation may be prepared elsewhere.
func (d *Data) Decision(id string) *DecisionRecord {
	for _, n := range d.Names {
		if i := slices.IndexFunc(n.Decisions, func(x DecisionRecord) bool { return x.ID == id }); i >= 0 {
			return &n.Decisions[i]
		}
	}
	return nil
}

// RecordDecision records the outcome of an operation and deletes its prepared record, in one step: no snapshot shows
// the operation both undecided and decided (I1, I5).
func (d *Data) RecordDecision(x DecisionRecord, now time.Time) {
	d.SetName(x.Store, func(n *Name) {
		if n.Prepared != nil && n.Prepared.ID == x.ID {
			n.Prepared = nil
		}
		n.Decisions = append(slices.Clone(n.Decisions[max(0, len(n.Decisions)-maxDecisions+1):]), x)
		n.Touched = now
	})
}

// LastCommitted returns the id of the operation that committed the store's revision. For a revision that each
// manager made by itself it is derived from the digest, so that it is the same at all managers.
func (s *Store) LastCommitted() string {
	if s.LastOperation != "" {
		return s.LastOperation
	}
	return "d-" + s.Digest[:min(32, len(s.Digest))]
}

// Configuration returns the part of the store that is the same at all its managers (I5).
func (s *Store) Configuration() *wire.Configuration {
	return &wire.Configuration{
		Creation: s.Creation, LastOperation: s.LastCommitted(), Revision: s.Revision, Epoch: s.Epoch, Digest: s.Digest,
		Coordinator: s.Coordinator,
		Managers:    s.Managers, Founders: s.Founders, Nodes: s.Nodes, ClusterTLS: s.ClusterTLS,
	}
}
