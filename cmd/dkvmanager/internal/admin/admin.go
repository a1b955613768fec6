// Package admin is the manager's HTTP API: one visible table of routes (routes.go), a file a subject
// for what they do, and one form for every result and error.
//
// It decides what may change and records it in the catalog; making it so is the supervisor's.
package admin

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/cmd/dkvmanager/internal/twophase"
	"dkvrun/runtime/wire"
)

// Catalog is what the API needs of the stores on disk.
type Catalog interface {
	// Snapshot is a copy, the caller's own.
	Snapshot() *catalog.Data
	// Update changes the catalog durably, or not at all and returns an error.
	Update(func(*catalog.Data) error) error
	Identity() string
	// Repaired says what had to be left behind when the catalog was opened, or is empty.
	Repaired() string
	// Lost says why the stores can't be known; empty when they are. ReadOnly refuses a request then.
	Lost() string
	ReadOnly() *wire.Result
}

// Supervisor is what the API needs of the instances that run. An error that is a *wire.Result is the
// answer as it stands.
type Supervisor interface {
	// Notify says that the catalog has changed.
	Notify()
	Start(ctx context.Context, store, instance string) (changed bool, err error)
	Stop(ctx context.Context, store, instance string, force bool) (changed bool, err error)
	// Instances lists the store's own instances, those that are leaving included.
	Instances(ctx context.Context, store string) []wire.Instance
	// Remove returns when no process and no folder of the store, which the catalog has dropped, is left.
	Remove(ctx context.Context, store string) error
	// CheckPorts refuses nodes of a store, those of this server, whose ports are not free; nil if they are.
	CheckPorts(store string, nodes []wire.Node) error
	// Log is the last lines of an instance's log.
	Log(store, instance string, tail int) ([]byte, error)
	// Metrics asks all own instances of one store, or of all where store is empty.
	Metrics(ctx context.Context, store string, window time.Duration) []wire.Metric
}

// Options is what the API works with; all are required.
type Options struct {
	Catalog    Catalog
	Supervisor Supervisor
	// Peers asks other managers what became of an operation.
	Peers twophase.Peers
	// Owns says whether a node is this manager's.
	Owns func(wire.Node) bool
	// Host is what the manager advertises, Listen its host:port.
	Host, Listen string
	// Boot is another one at every start of the manager.
	Boot string
	// Engine is the name of the engine that new stores get.
	Engine string
	Log    *slog.Logger
}

// API answers the requests of runners and other tools. It is an http.Handler.
type API struct {
	Options
	locks      locks
	changeMu   sync.Mutex
	apply      *twophase.Participant
	largeSlots chan struct{} // a place for each large body
	bodyTime   time.Duration
}

// New makes the API of one manager.
func New(o Options) *API {
	a := &API{Options: o, largeSlots: make(chan struct{}, maxLargeBodies), bodyTime: bodyTimeout}
	a.apply = twophase.New(twophase.Options{
		Catalog: notifyingCatalog{a}, Peers: o.Peers, Owns: o.Owns, Ports: o.Supervisor.CheckPorts, Engine: o.Engine, Now: time.Now,
		Suspect:     o.Catalog.Repaired() != "",
		ExpireAfter: failpoint.Duration("DKV_EXPIRE_AFTER", wire.ExpireAfter),
	})
	return a
}

// notifyingCatalog is the catalog whose changes the supervisor is told of.
type notifyingCatalog struct{ *API }

func (t notifyingCatalog) Snapshot() *catalog.Data                  { return t.Catalog.Snapshot() }
func (t notifyingCatalog) Update(f func(*catalog.Data) error) error { return t.change(f) }
func (t notifyingCatalog) Identity() string                         { return t.Catalog.Identity() }

// Start drops what this manager decided about and nobody renewed across its restart. Serve comes after it.
func (a *API) Start() error { return a.apply.Start() }

// Resolve ends, until ctx is done, operations whose runner is gone.
func (a *API) Resolve(ctx context.Context) {
	a.apply.Run(ctx, failpoint.Duration("DKV_RESOLVE_EVERY", wire.ResolveEvery), func(err error) { a.Log.Warn("not settled with all managers", "why", err) })
}

// Confirm says why it is not certain that all managers of a store have this change as its last one, and
// that none is under way; nil when it is.
func (a *API) Confirm(ctx context.Context, store, change string) error {
	return a.apply.Confirm(ctx, store, change)
}

// change updates the catalog and tells the supervisor, one change after the other: the ports that one
// takes are known to be taken when the next one is checked.
func (a *API) change(f func(*catalog.Data) error) error {
	a.changeMu.Lock()
	defer a.changeMu.Unlock()
	before := a.Catalog.Snapshot()
	if err := a.Catalog.Update(f); err != nil {
		return err
	}
	logChanges(a.Log, before, a.Catalog.Snapshot())
	a.Supervisor.Notify()
	return nil
}
