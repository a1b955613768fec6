package wire

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// OperationsPath returns the path that takes prepares and lists prepared and decided operations.
func OperationsPath() string { return Prefix + "/operations" }

// OperationPath returns the path of one operation; commit, abort and renew are below it.
func OperationPath(id string) string { return OperationsPath() + "/" + url.PathEscape(id) }

// StatePath returns the path of a manager's StoreState, which other managers and coordinator replacements read.
func StatePath(store string) string { return StorePath(store) + "/state" }

// ResolvePath returns the path that makes a manager resolve a store's prepared operation, and take a configuration that
// it missed, at once.
func ResolvePath(store string) string { return StorePath(store) + "/settle" }

// FencePath returns the path of the first phase of a coordinator replacement.
func FencePath(store string) string { return StorePath(store) + "/fence" }

// DecidePath returns the path of the second phase of a coordinator replacement.
func DecidePath(store string) string { return StorePath(store) + "/decide" }

// Times of the protocol.
const (
	// RenewEvery is the interval at which the driver renews the lease of its operation at the coordinator.
	RenewEvery = 5 * time.Second
	// ExpireAfter is the length of a lease: the coordinator aborts a prepared operation that long after the last renewal.
	ExpireAfter = 30 * time.Second
	// ResolveEvery is the interval at which a participant in doubt asks the coordinator for the decision.
	ResolveEvery = 5 * time.Second
)

// Bounds of counters.
const (
	// EpochStep is the maximum distance of a new epoch from the highest one seen. An operation normally raises it by
	// one; after an epoch of the largest number a store could never be changed again.
	EpochStep = 1 << 32
	// MaxRevision is the highest revision of a store, the largest integer that every JSON reader represents exactly.
	MaxRevision = 1<<53 - 1
	// MaxGeneration is the highest generation of a catalog of which a manager lets another one tell it.
	MaxGeneration = 1 << 52
)

// Actions of operations, and of requests that one manager carries out by itself (ActionRequest).
const (
	CreateAction          = "CreateStore"
	AddInstanceAction     = "AddInstance"
	RemoveInstanceAction  = "RemoveInstance"
	RemoveStoreAction     = "RemoveStore"
	RepairAction          = "RepairStore"
	SecureAction          = "SecureStore"
	StartInstanceAction   = "StartInstance"
	StopInstanceAction    = "StopInstance"
	RestartInstanceAction = "RestartInstance"
)

// Operation is the body of POST /operations: the configuration that a store gets, and the one that it builds on. It is
// the same for every manager; the query parameter "to" names the manager that it is sent to.
type Operation struct {
	// ID is a UUIDv7 made by the runner. The same ID with another content is refused (I7).
	ID     string `json:"id" max:"64"`
	Action string `json:"action" max:"64"`
	Store  string `json:"store" max:"253"`
	// Owner names the driver for people: user@host, process.
	Owner string `json:"owner,omitempty" max:"200"`
	// Coordinator is the identity of the store's coordinator; for a new store the smallest identity of Managers.
	Coordinator string `json:"home" max:"64"`
	// Managers lists the participants, which keep the store afterwards: the present ones without Drop, and new ones.
	Managers []Manager `json:"managers" max:"16384"`
	// Drop is the identity of a manager that is gone for good. It can't be the coordinator.
	Drop string `json:"drop,omitempty" max:"64"`
	// BaseRevision and BaseOperation identify the configuration that the operation builds on (I6); 0 and empty if
	// there is none.
	BaseRevision  uint64 `json:"baseRevision,omitempty"`
	BaseOperation string `json:"baseOperation,omitempty" max:"64"`
	// Epoch is higher than any epoch of the store that the managers have seen (I1).
	Epoch uint64 `json:"epoch,omitempty"`

	// Creation is the id of the operation that created the store.
	Creation string `json:"creation,omitempty" max:"64"`
	// Nodes is the whole topology with every role set; empty if the operation removes the store.
	Nodes    []Node    `json:"nodes,omitempty" max:"1024"`
	Founders []Founder `json:"founders,omitempty" max:"256"`
	// Founding means that no instance ever ran: roles and founders are chosen anew.
	Founding bool `json:"founding,omitempty"`
	// ClusterTLS: see Configuration. It stays set once it is. A manager that is not secured does not vote for it.
	ClusterTLS bool `json:"clusterTls,omitempty"`
	// Desired is the desired state of new instances.
	Desired Desired `json:"desired,omitempty" max:"16"`
	// LoseData removes an instance at once, without taking it out of the running store first, and allows removing a
	// running store.
	LoseData bool `json:"loseData,omitempty"`

	// DryRun runs the checks and changes nothing.
	DryRun bool `json:"dryRun,omitempty"`
}

// Removes reports whether the operation removes the store.
func (c *Operation) Removes() bool { return len(c.Nodes) == 0 }

// Digest returns the SHA-256 of the operation without the epoch, which may be raised while it is prepared, and DryRun.
func (c *Operation) Digest() string {
	same := *c
	same.Epoch, same.DryRun = 0, false
	return digestOf(same)
}

// OperationState is the state of an operation at one manager.
type OperationState string

const (
	// OperationUnknown: this manager has no record of it, or no longer has one.
	OperationUnknown OperationState = "unknown"
	// OperationPrepared: this manager has voted yes, and has no decision.
	OperationPrepared  OperationState = "pending"
	OperationCommitted OperationState = "committed"
	OperationAborted   OperationState = "aborted"
)

// operationStates lists all values of OperationState.
var operationStates = []OperationState{OperationUnknown, OperationPrepared, OperationCommitted, OperationAborted}

// OperationStatus is the answer of one manager about an operation.
type OperationStatus struct {
	ID    string         `json:"id"`
	State OperationState `json:"state"`
	// Manager is the identity of the manager that answers.
	Manager     string `json:"manager"`
	Action      string `json:"action,omitempty"`
	Store       string `json:"store,omitempty"`
	Epoch       uint64 `json:"epoch,omitempty"`
	Digest      string `json:"digest,omitempty"`
	Owner       string `json:"owner,omitempty"`
	Coordinator string `json:"home,omitempty"`
	// Managers lists the participants; set while the operation is prepared.
	Managers []Manager `json:"managers,omitempty"`
	// Since is the time at which this manager voted, by its own clock.
	Since *time.Time `json:"since,omitempty"`
	// Claims lists the names of the nodes that this manager owns; set in the answer to a dry run.
	Claims []string `json:"claims,omitempty"`
}

// AbortRequest is the body of an abort. It identifies the operation for a manager that has not received the prepare,
// and must refuse it later (I1).
type AbortRequest struct {
	Store string `json:"store" max:"253"`
	Epoch uint64 `json:"epoch,omitempty"`
}

// FenceRequest is the body of the first phase of a coordinator replacement: it asks a survivor to promise that it
// ignores the lost coordinator. It has the identities of that coordinator and of all survivors.
type FenceRequest struct {
	Lost      string   `json:"lost" max:"64"`
	Survivors []string `json:"survivors" max:"16384" each:"64"`
}

// DecideRequest is the body of the second phase. Committed lists the last operations of all survivors' configurations.
type DecideRequest struct {
	Lost      string   `json:"lost" max:"64"`
	Committed []string `json:"committed,omitempty" max:"16384" each:"64"`
	// Coordinator is the new coordinator: a manager that keeps the store and is not suspect.
	Coordinator string `json:"home" max:"64"`
}

// Configuration is the part of a store that is the same at all its managers (I5).
type Configuration struct {
	// Creation is the operation that created the store; LastOperation made this revision.
	Creation      string    `json:"operation"`
	LastOperation string    `json:"change"`
	Revision      uint64    `json:"revision"`
	Epoch         uint64    `json:"epoch"`
	Digest        string    `json:"digest"`
	Coordinator   string    `json:"home,omitempty"`
	Managers      []Manager `json:"managers"`
	Founders      []Founder `json:"founders"`
	Nodes         []Node    `json:"nodes"`
	// ClusterTLS means that the cluster ports speak TLS with other instances of the store alone. An instance whose port is
	// plain can't talk to one whose port speaks TLS, so all of a store's have to change at once: by SecureAction, which is
	// never undone.
	ClusterTLS bool `json:"clusterTls,omitempty"`
}

// VotedByAll reports whether all managers of a store voted for an operation. With atomic = false each manager makes the
// change by itself: the id is then derived from the digest of the nodes, and managers may know of different managers.
func VotedByAll(id string) bool { return !strings.HasPrefix(id, "d-") }

// SameContent reports whether two configurations are the same in all that an operation makes, whichever operation each
// has as its last. The epoch is not compared: it may be raised while an operation is prepared.
func (c *Configuration) SameContent(other *Configuration) bool {
	return c.Creation == other.Creation && c.Revision == other.Revision && c.Coordinator == other.Coordinator &&
		slices.Equal(c.Managers, other.Managers) && slices.Equal(c.Founders, other.Founders) &&
		slices.Equal(c.Nodes, other.Nodes) && c.ClusterTLS == other.ClusterTLS
}

// StoreState is the state of a store at one manager, which may not have the store.
type StoreState struct {
	// Manager is the identity of the manager that answers.
	Manager string `json:"manager"`
	Store   string `json:"store"`
	// Epoch is the highest epoch that the manager has seen.
	Epoch         uint64         `json:"epoch"`
	Configuration *Configuration `json:"configuration,omitempty"`
	// Removed is the operation that removed the store here.
	Removed  string           `json:"removed,omitempty"`
	Prepared *OperationStatus `json:"pending,omitempty"`
	// Decisions lists the decided operations of the store, the latest last.
	Decisions []OperationStatus `json:"decided,omitempty"`
	// Fenced lists the managers that were declared lost; Replacing is the coordinator whose replacement is in progress.
	Fenced    []string `json:"fenced,omitempty"`
	Replacing string   `json:"repairing,omitempty"`
	// Suspect means that the manager's catalog may lack its last write, and with it a vote.
	Suspect bool `json:"suspect,omitempty"`
	// Doubt says why a suspect manager is not healed yet; nil while it is not known.
	Doubt *Doubt `json:"doubt,omitempty"`
	// Content is the prepared operation; set if the question asks for it.
	Content *Operation `json:"content,omitempty"`
	// Asks lists the changes of members that the manager asks other managers for at this moment. Unlike the other
	// fields they are not durable.
	Asks []MemberAsk `json:"asks,omitempty"`
	// Leaving lists host:port of the cluster ports of this manager's instances that the topology has dropped and that
	// have not left yet. They are taken out of the running store by this manager. Nil from older managers.
	Leaving []string `json:"leaving"`
	// Audit is the last line of the manager's audit log; nil if it keeps none. Others remember it: a log that is written
	// anew ends otherwise.
	Audit *AuditHead `json:"audit,omitempty"`
	// Generation is the generation of the catalog that the manager has on disk; 0 from older managers.
	Generation uint64 `json:"generation,omitempty"`
	// Heard is the highest generation of the asking manager's catalog of which this manager has heard; 0 for none. The
	// catalog of a manager that has a lower one is an older copy.
	Heard uint64 `json:"heard,omitempty"`
}

// Doubt is why a suspect manager is not healed.
type Doubt struct {
	Why string `json:"why"`
	// Operation is the id of an operation that only a person can decide, with repair_store{decide}; empty if there is
	// none.
	Operation string `json:"change,omitempty"`
	Action    string `json:"action,omitempty"`
}

// StateQuestion says who asks for a store's state, in the query of StatePath. All fields may be empty.
type StateQuestion struct {
	// From is the identity of the manager that asks, URL its address in the list of the store's managers.
	From, URL string
	// Holds means that the asker has a configuration, or a prepared operation, that the asked manager coordinates. One
	// that lost its last write learns from it that it has forgotten the store.
	Holds bool
	// Deciding is the operation about which the asker, its coordinator, is about to carry out a person's decision.
	Deciding string
}

// QuestionHeader is the header of a StateQuestion. It is a header and no parameter, since older managers refuse
// parameters that they don't know.
const QuestionHeader = "Dkv-Question"

// Header returns the value of QuestionHeader.
func (q StateQuestion) Header() string {
	values := url.Values{"from": {q.From}}
	if q.Holds {
		values.Set("holds", q.URL)
	}
	if q.Deciding != "" {
		values.Set("deciding", q.Deciding)
	}
	return values.Encode()
}

// ReadQuestion reads the value of QuestionHeader. A header that is no question gives the zero value: the question can
// be answered without it.
func ReadQuestion(header string) StateQuestion {
	values, err := url.ParseQuery(header)
	if err != nil || CheckIdentity(values.Get("from")) != nil {
		return StateQuestion{}
	}
	q := StateQuestion{From: values.Get("from"), URL: values.Get("holds"), Deciding: values.Get("deciding")}
	q.Holds = CheckURL(q.URL) == nil
	return q
}

// HealPath returns the path that makes a suspect coordinator carry out a person's decision.
func HealPath(store string) string { return StorePath(store) + "/heal" }

// The decisions of HealRequest.
const (
	DecideMake = "make"
	DecideDrop = "drop"
)

// HealRequest is the body of HealPath: how a person ends an operation that the suspect coordinator may have committed
// or aborted. All other participants have voted for it at its epoch.
type HealRequest struct {
	Operation Operation `json:"operation"`
	Decide    string    `json:"decide" max:"16"`
}

// AuditHead is the last line of an audit log.
type AuditHead struct {
	Number int64  `json:"number"` // 0 if there is none
	Hash   string `json:"hash"`   // SHA-256, in hexadecimal; empty if there is none
}

// AuditHeard is what a manager remembers of the audit log of another one.
type AuditHeard struct {
	Head AuditHead `json:"head"` // the last line that the other one has told
	// Lost is an earlier last line that a later answer contradicts: the log was written anew, or lines of it were
	// removed. Nil if there is none.
	Lost *AuditHead `json:"lost,omitempty"`
}

// DigestOf returns the digest of a decided operation, or "" if its record was dropped.
func (s *StoreState) DigestOf(id string) string {
	for _, op := range s.Decisions {
		if op.ID == id {
			return op.Digest
		}
	}
	return ""
}

// Of returns the state of one operation of the store. An operation whose decision record was dropped still counts as
// committed while it is the store's last one.
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
