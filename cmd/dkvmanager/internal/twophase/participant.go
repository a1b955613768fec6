package twophase

import (
	"context"
	"sync"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// Catalog is the memory that survives this manager.
type Catalog interface {
	// Snapshot is a copy, the caller's own.
	Snapshot() *catalog.Data
	// Update changes the catalog durably, or not at all and returns an error.
	Update(func(*catalog.Data) error) error
	Identity() string
}

// Peers asks other managers.
type Peers interface {
	// State is what the manager at url has of a store. An error says that no answer came that can be used.
	State(ctx context.Context, url, store string) (wire.StoreState, error)
	// Resolve tells a manager to settle a store whose coordinator is at a URL. An error says that it is not told.
	Resolve(ctx context.Context, to wire.Manager, store, coordinator string) error
}

// Options is what a machine works with; all but ExpireAfter are required.
type Options struct {
	Catalog Catalog
	Peers   Peers
	// Owns reports whether a node is this manager's.
	Owns func(wire.Node) bool
	// Ports refuses own nodes of a store whose ports are not free on this server; nil if they are.
	Ports func(store string, nodes []wire.Node) error
	// Engine is the name of the engine that new stores get.
	Engine string
	// Now is a clock that never goes back while the process lives.
	Now func() time.Time
	// Suspect says that the catalog had to be taken from an older generation: a vote may be missing.
	Suspect bool
	// ExpireAfter is wire.ExpireAfter where it is 0.
	ExpireAfter time.Duration
}

// Participant is one manager's part. Its methods may be called from any goroutine.
type Participant struct {
	Options
	mu sync.Mutex
	// lastContact is when a pending operation was last heard of: at its coordinator from its runner, elsewhere from its
	// coordinator.
	lastContact map[string]time.Time
}

// New makes the machine of one manager. Start comes before all else.
func New(o Options) *Participant {
	if o.ExpireAfter == 0 {
		o.ExpireAfter = wire.ExpireAfter
	}
	return &Participant{Options: o, lastContact: map[string]time.Time{}}
}

// Start drops, durably, what this manager held pending as its coordinator: no clock survives a restart, and a
// coordinator that comes back from the dead must not take up what others may have settled.
func (m *Participant) Start() error {
	return m.Catalog.Update(func(d *catalog.Data) error {
		if m.Suspect {
			markAllSuspect(d)
		}
		for _, n := range d.Names {
			if n.Prepared != nil && m.coordinates(n.Prepared) && !m.isSuspect(d, n.Prepared.Store) {
				d.RecordDecision(decisionOf(n.Prepared, false), m.Now())
			}
		}
		return nil
	})
}

// self is this manager's identity.
func (m *Participant) self() string { return m.Catalog.Identity() }

// coordinates reports whether this manager decides about a pending change.
func (m *Participant) coordinates(p *catalog.PreparedRecord) bool { return p.Coordinator == m.self() }

// leaseExpired says that a pending change, of which this manager is the coordinator, was not renewed in time.
func (m *Participant) leaseExpired(p *catalog.PreparedRecord) bool {
	return m.coordinates(p) && m.sinceContact(p.ID) > m.ExpireAfter
}

// sinceContact is how long nothing was heard of a pending operation; it counts from the first question.
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

func (m *Participant) touch(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lastContact[id] = m.Now()
}

func (m *Participant) dropContact(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.lastContact, id)
}
