package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"time"
)

// OperationsPath takes prepares, and shows what is pending and what was decided.
func OperationsPath() string { return Prefix + "/operations" }

// OperationPath is one operation; its commit, abort and renew stand below it.
func OperationPath(id string) string { return OperationsPath() + "/" + url.PathEscape(id) }

// StatePath is what one manager holds of a store's configuration, for other managers and repairs.
func StatePath(store string) string { return StorePath(store) + "/state" }

// ResolvePath makes a manager resolve a store's pending change, and take what it missed, at once.
func ResolvePath(store string) string { return StorePath(store) + "/settle" }

// FencePath is the first half of a repair, DecidePath the second.
func FencePath(store string) string { return StorePath(store) + "/fence" }

// DecidePath is the second half of a repair.
func DecidePath(store string) string { return StorePath(store) + "/decide" }

// Times of the protocol.
const (
	// RenewEvery is how often the runner renews its operation at the coordinator.
	RenewEvery = 5 * time.Second
	// ExpireAfter is how long after the last renewal the coordinator lets a pending operation go.
	ExpireAfter = 30 * time.Second
	// ResolveEvery is how often a manager asks the coordinator about what stays pending.
	ResolveEvery = 5 * time.Second
)

// Bounds on what counts up.
const (
	// EpochStep is how far above the highest epoch seen a new one can be. A change raises it by one; with
	// the largest number that there is a store could never be changed again.
	EpochStep = 1 << 32
	// MaxRevision is the highest revision of a store: every reader of JSON has this number whole.
	MaxRevision = 1<<53 - 1
)

// Actions of operations.
const (
	CreateAction         = "CreateStore"
	AddInstanceAction    = "AddInstance"
	RemoveInstanceAction = "RemoveInstance"
	RemoveStoreAction    = "RemoveStore"
	RepairAction         = "RepairStore"
)

// Operation is the body of POST /operations: the configuration that a store is to have, and on what it
// builds. It is the same for every manager; the query parameter to names the one that it is sent to.
type Operation struct {
	// ID is a UUIDv7 that the runner made. The same ID with another content is refused.
	ID     string `json:"id"`
	Action string `json:"action"`
	Store  string `json:"store"`
	// Owner says who asks, for people: user@host, process.
	Owner string `json:"owner,omitempty"`
	// Coordinator is the identity of the manager whose commit decides: the store's, or the smallest of Managers.
	Coordinator string `json:"home"`
	// Managers take part, and keep the store afterwards: all that keep it now, but Drop, and newcomers.
	Managers []Manager `json:"managers"`
	// Drop is the identity of a manager that is gone for good. It is not the coordinator.
	Drop string `json:"drop,omitempty"`
	// BaseRevision and BaseOperation are those of the configuration that the change builds on; 0 and empty
	// where there is none.
	BaseRevision  uint64 `json:"baseRevision,omitempty"`
	BaseOperation string `json:"baseOperation,omitempty"`
	// Epoch is above the highest one that any of the managers has seen of the store.
	Epoch uint64 `json:"epoch,omitempty"`

	// Creation is the id of the operation that created the store.
	Creation string `json:"creation,omitempty"`
	// Nodes is the whole topology with every role set; empty when the store is to be removed.
	Nodes    []Node    `json:"nodes,omitempty"`
	Founders []Founder `json:"founders,omitempty"`
	// Founding says that no instance has ever run: roles and founders are chosen anew.
	Founding bool `json:"founding,omitempty"`
	// Desired is what new instances start as.
	Desired Desired `json:"desired,omitempty"`
	// LoseData lets an instance that goes go at once, and a store that runs be removed.
	LoseData bool `json:"loseData,omitempty"`

	// DryRun checks and changes nothing.
	DryRun bool `json:"dryRun,omitempty"`
}

// Removes says that the change ends the store.
func (c *Operation) Removes() bool { return len(c.Nodes) == 0 }

// Digest is SHA-256 over all but the epoch, which may be raised while the operation is prepared.
func (c *Operation) Digest() string {
	same := *c
	same.Epoch, same.DryRun = 0, false
	text, _ := json.Marshal(same) // strings, numbers and lists of them: it can't fail
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// OperationState is what has become of an operation at one manager.
type OperationState string

const (
	// OperationUnknown: this manager has never heard of it, or has forgotten it.
	OperationUnknown OperationState = "unknown"
	// OperationPrepared: voted yes and not decided.
	OperationPrepared  OperationState = "pending"
	OperationCommitted OperationState = "committed"
	OperationAborted   OperationState = "aborted"
)

// OperationStatus is what one manager says of an operation.
type OperationStatus struct {
	ID    string         `json:"id"`
	State OperationState `json:"state"`
	// Manager is the identity of the one that says so.
	Manager     string `json:"manager"`
	Action      string `json:"action,omitempty"`
	Store       string `json:"store,omitempty"`
	Epoch       uint64 `json:"epoch,omitempty"`
	Digest      string `json:"digest,omitempty"`
	Owner       string `json:"owner,omitempty"`
	Coordinator string `json:"home,omitempty"`
	// Managers take part; given while it is pending.
	Managers []Manager `json:"managers,omitempty"`
	// Since is when this manager voted, by its own clock.
	Since *time.Time `json:"since,omitempty"`
	// Claims, in the answer to a dry run, are the names of the nodes that this manager takes for its own.
	Claims []string `json:"claims,omitempty"`
}

// AbortRequest is the body of an abort: what a manager that has not seen the prepare has to refuse later.
type AbortRequest struct {
	Store string `json:"store"`
	Epoch uint64 `json:"epoch,omitempty"`
}

// FenceRequest is the body of the first half of a repair: the identities of the coordinator that is lost, and of all
// managers that are left.
type FenceRequest struct {
	Lost      string   `json:"lost"`
	Survivors []string `json:"survivors"`
}

// DecideRequest is the body of the second half: what any of those left has as its configuration.
type DecideRequest struct {
	Lost      string   `json:"lost"`
	Committed []string `json:"committed,omitempty"`
	// Coordinator is the manager that decides from now on: one that keeps the store and is not suspect.
	Coordinator string `json:"home"`
}

// Configuration is what all managers of a store keep alike.
type Configuration struct {
	// Creation created the store; Change made this revision.
	Creation      string    `json:"operation"`
	LastOperation string    `json:"change"`
	Revision      uint64    `json:"revision"`
	Epoch         uint64    `json:"epoch"`
	Digest        string    `json:"digest"`
	Coordinator   string    `json:"home,omitempty"`
	Managers      []Manager `json:"managers"`
	Founders      []Founder `json:"founders"`
	Nodes         []Node    `json:"nodes"`
}

// StoreState is what one manager has of a store's configuration, whether it has the store or not.
type StoreState struct {
	// Manager is the identity of the one that says so.
	Manager string `json:"manager"`
	Store   string `json:"store"`
	// Epoch is the highest one that it has seen.
	Epoch         uint64         `json:"epoch"`
	Configuration *Configuration `json:"configuration,omitempty"`
	// Removed is the operation that removed the store here.
	Removed  string           `json:"removed,omitempty"`
	Prepared *OperationStatus `json:"pending,omitempty"`
	// Decisions are the operations of the store whose end it has seen, the latest last.
	Decisions []OperationStatus `json:"decided,omitempty"`
	// Fenced are managers that were declared lost; Repairing is one that is being.
	Fenced    []string `json:"fenced,omitempty"`
	Replacing string   `json:"repairing,omitempty"`
	// Suspect: its catalog may lack its last write, and with it a vote.
	Suspect bool `json:"suspect,omitempty"`
}

// Of is what the manager says of one operation of the store.
func (s *StoreState) Of(id string) OperationState {
	switch {
	case s.Prepared != nil && s.Prepared.ID == id:
		return OperationPrepared
	case s.Configuration != nil && s.Configuration.LastOperation == id, s.Removed == id:
		return OperationCommitted
	}
	for _, op := range s.Decisions {
		if op.ID == id {
			return op.State
		}
	}
	return OperationUnknown
}
