package twophase

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// Catalog is the durable state of this manager.
type Catalog interface {
	// Snapshot returns the present content, of which the caller may change all but the stores.
	Snapshot() *catalog.Data
	// Update changes the catalog durably, or returns an error and changes nothing.
	Update(func(*catalog.Data) error) error
	Identity() string
}

// Peers queries other managers. Answers may be late and lost, and come from another manager that has the address now,
// so callers compare the identity in the answer.
type Peers interface {
	// State returns the state of a store at the manager at url, which learns from q who asks. An error means that no
	// usable answer came.
	State(ctx context.Context, url, store string, q wire.StateQuestion) (wire.StoreState, error)
	// Resolve tells a manager to resolve a store whose coordinator is at a URL. After an error the manager may not have
	// received the request.
	Resolve(ctx context.Context, to wire.Manager, store, coordinator string) error
}

// Options configures a Participant; all but Secured, Heard, Queries and ExpireAfter are required.
type Options struct {
	Catalog Catalog
	Peers   Peers
	// Owns reports whether a node is this manager's.
	Owns func(wire.Node) bool
	// Ports returns an error if ports of this server's nodes of a store are not free, else nil.
	Ports func(store string, nodes []wire.Node) error
	// Secured means that this manager is secured: instances of it can speak TLS on their cluster ports.
	Secured bool
	// Engine is the name of the engine that new stores get.
	Engine string
	// Now is a clock that never goes back while the process lives.
	Now func() time.Time
	// Heard is called with each state of one of the managers of a store or operation, before anything follows from it.
	// Nil for none.
	Heard func(there *wire.StoreState)
	// Queries is the number of queries of other managers that a round of recovery makes at the same time; 0 means 16. With
	// 1 they run in order.
	Queries int
	// ExpireAfter is the length of a lease; 0 means wire.ExpireAfter.
	ExpireAfter time.Duration
}

// Participant is one manager's half of the protocol. Its methods may be called from any goroutine.
type Participant struct {
	Options
	// resolving and reconciling are the rounds of Resolve and reconcile. Neither runs twice at the same time.
	resolving, reconciling rounds
	mu                     sync.Mutex
	// lastContact is the time of the last message about an operation, by operation: at the coordinator a message from
	// the driver, elsewhere an answer of the coordinator. It is not durable, and need not be: at the coordinator Start
	// aborts its operations, and elsewhere a restart only makes the manager wait longer before it may promise to ignore
	// a silent coordinator.
	lastContact map[string]time.Time
	doubts      doubts
}

// New returns the participant of one manager. Call Start before any other method.
func New(o Options) *Participant {
	if o.ExpireAfter == 0 {
		o.ExpireAfter = wire.ExpireAfter
	}
	o.Queries = cmp.Or(o.Queries, roundQueries)
	return &Participant{Options: o, lastContact: map[string]time.Time{},
		doubts:    doubts{askers: map[string]*asker{}, why: map[string]wire.Doubt{}},
		resolving: rounds{clock: o.Now, parallel: o.Queries}, reconciling: rounds{clock: o.Now, parallel: o.Queries}}
}

// Start durably aborts every prepared operation that this manager coordinates. No clock survives a restart, so the
// lease counts as expired (I8): the others may have replaced this coordinator meanwhile. Aborting is safe, since only
// this manager could have committed the operation, and a commit would have left a decision instead of a prepared record
// (I1). Operations with another coordinator stay prepared: their outcome is not for this manager to decide.
//
// A crash during Start repeats it. If the update fails, the manager must not serve requests.
func (m *Participant) Start() error {
	return m.Catalog.Update(func(d *catalog.Data) error {
		// A suspect coordinator aborts nothing: the generation that it lost may hold a commit.
		for _, n := range d.Names {
			if n.Prepared != nil && m.coordinates(n.Prepared) && !m.isSuspect(d, n.Prepared.Store) {
				d.RecordDecision(decisionOf(n.Prepared, false), m.Now())
			}
		}
		return nil
	})
}

// self returns this manager's identity.
func (m *Participant) self() string { return m.Catalog.Identity() }

// coordinates reports whether this manager coordinates a prepared operation.
func (m *Participant) coordinates(p *catalog.PreparedRecord) bool { return p.Coordinator == m.self() }

// leaseExpired reports whether this manager coordinates a prepared operation that was not renewed in time. It is false
// for every other participant: votes don't expire (I4).
func (m *Participant) leaseExpired(p *catalog.PreparedRecord) bool {
	return m.coordinates(p) && m.sinceContact(p.ID) > m.ExpireAfter
}

// sinceContact returns the time since the last contact about a prepared operation. If there was none since the start of
// the process, it counts from the first call, because it is unknown when the last one before the start was.
func (m *Participant) sinceContact(id string) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	last, known := m.lastContact[id]
	if !known {
		last = m.Now()
		m.lastContact[id] = last
	}
	return m.Now().Sub(last)
}

// touch records a contact about an operation.
func (m *Participant) touch(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lastContact[id] = m.Now()
}

// dropContact forgets the last contact about an operation that is decided.
func (m *Participant) dropContact(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.lastContact, id)
}

// Operation returns the state of an operation at this manager; it is unknown if there is no record of it. Expired
// leases are ended first, durably: others act on this answer, so it must not change after a crash (I1). Unknown is no
// outcome: the operation may never have come here, or its record may have been dropped.
func (m *Participant) Operation(id string) (wire.OperationStatus, error) {
	if err := m.expireLeases(); err != nil {
		return wire.OperationStatus{}, err
	}
	d := m.Catalog.Snapshot()
	if p := d.Prepared(id); p != nil {
		return m.preparedStatus(p), nil
	}
	if x := d.Decision(id); x != nil {
		return m.decisionStatus(x), nil
	}
	return wire.OperationStatus{ID: id, State: wire.OperationUnknown, Manager: m.self()}, nil
}

// Operations returns the prepared and the decided operations, sorted by store.
func (m *Participant) Operations() []wire.OperationStatus {
	d := m.Catalog.Snapshot()
	out := []wire.OperationStatus{}
	for _, key := range slices.Sorted(maps.Keys(d.Names)) {
		n := d.Names[key]
		for i := range n.Decisions {
			out = append(out, m.decisionStatus(&n.Decisions[i]))
		}
		if n.Prepared != nil {
			out = append(out, m.preparedStatus(n.Prepared))
		}
	}
	return out
}

// State returns what this manager has of a store: its configuration, the prepared operation, and the decisions. Other
// managers decide by it (followCoordinator, reconcileStore) and so does a replacement, so it is one consistent snapshot
// of durable data. Expired leases are ended first: an operation that is shown as prepared by its coordinator can still
// be committed, and one whose lease is over must be shown as aborted.
func (m *Participant) State(store string) (wire.StoreState, error) {
	if err := m.expireLeases(); err != nil {
		return wire.StoreState{}, err
	}
	// Fenced, Replacing and Suspect tell the reader how far the rest can be relied on. They come from the same
	// snapshot: the configuration from before a replacement with the marks from after it would be a state that never
	// existed.
	d := m.Catalog.Snapshot()
	n := d.Name(store)
	out := wire.StoreState{
		Manager: m.self(), Store: store, Epoch: n.Epoch, Removed: n.Removed, Prepared: m.PreparedOf(d, store),
		Fenced: n.Fenced, Replacing: n.Replacing, Leaving: []string{},
	}
	out.Suspect, out.Doubt = m.Doubt(d, store)
	if s := d.Stores[store]; s != nil {
		out.Configuration = s.Configuration()
		for _, local := range s.Local {
			if n := local.Leaving; n != nil {
				out.Leaving = append(out.Leaving, net.JoinHostPort(n.Host, strconv.Itoa(n.ClustronPort)))
			}
		}
		slices.Sort(out.Leaving)
	}
	for i := range n.Decisions {
		out.Decisions = append(out.Decisions, m.decisionStatus(&n.Decisions[i]))
	}
	return out, nil
}

// PreparedOf returns the status of a store's prepared operation in d, or nil.
func (m *Participant) PreparedOf(d *catalog.Data, store string) *wire.OperationStatus {
	p := d.Name(store).Prepared
	if p == nil {
		return nil
	}
	op := m.preparedStatus(p)
	return &op
}

// preparedStatus returns a vote as an answer. The driver counts it only at the epoch that it carries.
func (m *Participant) preparedStatus(p *catalog.PreparedRecord) wire.OperationStatus {
	since := p.Since
	return wire.OperationStatus{
		ID: p.ID, State: wire.OperationPrepared, Manager: m.self(), Action: p.Action, Store: p.Store,
		Epoch: p.Epoch, Digest: p.Digest, Owner: p.Owner, Coordinator: p.Coordinator, Managers: p.Managers, Since: &since,
	}
}

// decisionStatus returns a decision as an answer. It carries the epoch that was voted for and the digest, so that a
// reader can tell whether it is about the content that it knows (I7).
func (m *Participant) decisionStatus(x *catalog.DecisionRecord) wire.OperationStatus {
	state := wire.OperationAborted
	if x.Committed {
		state = wire.OperationCommitted
	}
	return wire.OperationStatus{
		ID: x.ID, State: state, Manager: m.self(), Action: x.Action, Store: x.Store, Epoch: x.Epoch, Digest: x.Digest,
	}
}

// Confirm returns nil if every manager of a store has the given operation as its last one and none in progress, else an
// error that names a manager that does not. It is asked before an engine member is removed for good because the
// topology lacks it: that must follow from a configuration that is committed on all managers, not from one that is
// about to be superseded (I3). Member is the address of that member's cluster port if its process is alive, else empty:
// then every manager must also answer that it has no such instance leaving, which it would take out itself when its
// successor has a vote.
//
// The answers come one after the other, yet a positive result describes one moment: every operation of the store needs
// this manager's vote, so none was committed in between unless this manager has voted for it.
func (m *Participant) Confirm(ctx context.Context, store, change, member string) error {
	d := m.Catalog.Snapshot()
	// A manager that does not have the store, or was declared lost, can't confirm which members it has.
	s := d.Stores[store]
	if s == nil || d.Name(store).DeclaredLost || !hasManager(s.Managers, m.self()) {
		return fmt.Errorf("this manager does not keep %s", store)
	}
	var all sync.WaitGroup
	slots := make(chan struct{}, maxConfirmQueries)
	doubts := make([]error, len(s.Managers))
	for i, w := range s.Managers {
		slots <- struct{}{}
		all.Go(func() {
			doubts[i] = m.confirmOne(ctx, w, store, change, member)
			<-slots
		})
	}
	all.Wait()
	for _, doubt := range doubts {
		if doubt != nil {
			return doubt
		}
	}
	return nil
}

// maxConfirmQueries bounds the queries at a time, while allowing Confirm to end in time if thousands of managers keep a
// store.
const maxConfirmQueries = 32

// confirmOne returns nil if a manager has the operation as the store's last one. No answer is an error: a silent
// manager may have voted for another operation.
func (m *Participant) confirmOne(ctx context.Context, w wire.Manager, store, change, member string) error {
	var there wire.StoreState
	var err error
	if w.Identity == m.self() {
		there, err = m.State(store)
	} else {
		there, err = m.Peers.State(ctx, w.URL, store, wire.StateQuestion{From: m.self()})
	}
	if err != nil {
		return err
	}
	why := m.mismatch(w, &there, change)
	if why == "" && member != "" {
		why = takesOut(&there, member)
	}
	if why != "" {
		return fmt.Errorf("the manager on %s %s", w.URL, why)
	}
	return nil
}

// takesOut returns why a member of the running store is left to a manager, or an empty string.
func takesOut(there *wire.StoreState, member string) string {
	switch {
	case there.Leaving == nil:
		return "is of an older version, and does not say which instances are leaving it"
	case slices.ContainsFunc(there.Leaving, func(address string) bool { return strings.EqualFold(address, member) }):
		return "takes it out when its successor has a vote"
	}
	return ""
}

// mismatch returns why a manager's state does not confirm an operation as the store's last one, or an empty string.
func (m *Participant) mismatch(w wire.Manager, there *wire.StoreState, change string) string {
	switch {
	// Another manager has the address now: the answer is not from the one that was asked.
	case there.Manager != w.Identity:
		return "is another manager now"
	// It may lack the operation that comes after the one that it shows.
	case there.Suspect:
		return "had to fall back to an older catalog"
	// I8: this manager was declared lost. Its configuration is out of date whatever the others have.
	case slices.Contains(there.Fenced, m.self()):
		return "has declared this manager lost"
	// The undecided operation may bring the instance back into the topology.
	case there.Prepared != nil || there.Replacing != "":
		return "has an operation in progress"
	case there.Configuration == nil || there.Configuration.LastOperation != change:
		return "has another configuration"
	}
	return ""
}
