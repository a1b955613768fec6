package twophase

import (
	"cmp"
	"context"
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
	// State returns the state of a store at the manager at url, which also learns from q who asks. An error means that no usable answer came.
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
