// Package admin is the manager's HTTP API: one table of routes (routes.go), the handlers, and one form for all results
// and errors.
//
// It checks changes and records them in the catalog. The protocol of all-or-none changes is in package twophase;
// the supervisor brings the instances to the state in the catalog.
package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"dkvrun/cmd/dkvmanager/internal/audit"
	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/cmd/dkvmanager/internal/twophase"
	"dkvrun/runtime/wire"
)

// Catalog is the part of the catalog that the API needs.
type Catalog interface {
	// Snapshot returns the present content, of which the caller may change all but the stores.
	Snapshot() *catalog.Data
	// Update changes the catalog durably, or returns an error and changes nothing.
	Update(func(*catalog.Data) error) error
	Identity() string
	// Size returns the number of bytes of the catalog.
	Size() int
	// Lost returns why the stores can't be known, or "".
	Lost() string
	// ReadOnly returns the refusal of a change if the catalog is lost or can't be written since the start, else nil.
	ReadOnly() *wire.Result
	// Generation returns the number of the generation that is on disk.
	Generation() uint64
	// FallBehind marks the catalog as suspect if another manager has heard of a later generation of it.
	FallBehind(heard uint64) (behind bool, err error)
}

// Supervisor is the part of the supervisor that the API needs. An error that is a *wire.Result is the response as it
// is.
type Supervisor interface {
	// Notify must be called after each change of the catalog.
	Notify()
	Start(ctx context.Context, store, instance string) (changed bool, err error)
	Stop(ctx context.Context, store, instance string, force bool) (changed bool, err error)
	// Restart stops and starts an instance if may returns nil. While may runs, the instance counts as not ready.
	Restart(ctx context.Context, store, instance string, may func(context.Context) error) error
	// Instances returns this server's instances of a store, including those that are leaving.
	Instances(ctx context.Context, store string) []wire.Instance
	// Remove returns when no process and no folder is left of the store, which the catalog has dropped.
	Remove(ctx context.Context, store string) error
	// Asks returns the changes of members that this server's instances ask other managers for at this moment.
	Asks(store string) []wire.MemberAsk
	// MemberCheck returns the last comparison of the running store's members with the topology; nil if this server has
	// no data instance of the store.
	MemberCheck(store string) *wire.MemberCheck
	// ChangeMember takes a step in the running store, and returns all its members after it.
	ChangeMember(ctx context.Context, store string, ask wire.MemberAsk) (after []wire.Member, changed bool, err error)
	// CheckPorts returns a refusal if a port of one of this server's nodes of the store is not free, else nil.
	CheckPorts(store string, nodes []wire.Node) error
	// Log returns the last lines of an instance's log.
	Log(store, instance string, tail int) ([]byte, error)
	// Metrics returns the metrics of this server's instances: those of one store, or of all stores if store is empty.
	Metrics(ctx context.Context, store string, window time.Duration) []wire.Metric
	// Strays returns the folders of a store's instances that the catalog doesn't know, at most wire.MaxStrays.
	Strays(store string) []wire.Stray
	// Certificates returns the certificates of this server's instances.
	Certificates(ctx context.Context) []wire.Certificate
}

// Peers queries other managers.
type Peers interface {
	twophase.Peers
	// Store returns a store as a manager shows it. An error means that no usable answer came.
	Store(ctx context.Context, at wire.Manager, store string) (wire.Store, error)
}

// Options configures the API; all fields but AlsoKnownAs, Member, Audit and Heard are required.
type Options struct {
	Catalog    Catalog
	Supervisor Supervisor
	// Peers queries other managers about operations and stores.
	Peers Peers
	// Owns reports whether a node belongs to this manager.
	Owns func(wire.Node) bool
	// Host is the advertised host name, Listen the host:port of the API.
	Host, Listen string
	// AlsoKnownAs lists further names by which clients may address the manager.
	AlsoKnownAs []string
	// Member has the keys and the access log of a secured manager. Without it the API is plain HTTP, and everybody may
	// make every request.
	Member *security.Member
	// Audit gets a line for each change; nil for no audit log. Heard remembers the logs of others; nil together with it.
	Audit *audit.Log
	Heard *audit.Memory
	// Dir is the manager's data folder.
	Dir string
	// Boot is a new id at every start of the manager.
	Boot string
	// Engine is the name of the engine that new stores get.
	Engine string
	Log    *slog.Logger
}

// API serves the requests of runners and other tools. It is an http.Handler.
type API struct {
	Options
	locks       locks
	changeMu    sync.Mutex
	participant *twophase.Participant
	bodies      *bodies
	waiting     waiting
	answers     *largeSlots
	membership  membership
	unknown     unknownTokens
	generations *generations
	limits      limits
	open        atomic.Pointer[slots] // the connections of Serve
}

// New returns the API of one manager.
func New(o Options) *API {
	a := &API{Options: o, bodies: newBodies(), answers: newLargeAnswers(), limits: standardLimits(),
		membership: membership{of: o.Member, log: o.Log}, generations: openGenerations(o.Dir, o.Catalog, o.Log)}
	a.participant = twophase.New(twophase.Options{
		Catalog: notifyingCatalog{a}, Peers: o.Peers, Owns: o.Owns, Ports: o.Supervisor.CheckPorts, Engine: o.Engine,
		Secured:     o.Member != nil,
		Now:         time.Now,
		Heard:       a.generations.hear,
		ExpireAfter: failpoint.Duration("DKV_EXPIRE_AFTER", wire.ExpireAfter),
	})
	return a
}

// names returns the names that a request may have in its Host header, beside IP addresses.
func (a *API) names() []string { return append([]string{a.Host}, a.AlsoKnownAs...) }

// notifyingCatalog is the catalog, with changes that notify the supervisor.
type notifyingCatalog struct{ *API }

func (t notifyingCatalog) Snapshot() *catalog.Data                  { return t.Catalog.Snapshot() }
func (t notifyingCatalog) Update(f func(*catalog.Data) error) error { return t.change(f) }
func (t notifyingCatalog) Identity() string                         { return t.Catalog.Identity() }

// Start aborts the undecided operations that this manager coordinates: their leases do not survive a restart. It must
// be called before Serve. A read-only manager decides nothing.
func (a *API) Start() error {
	if a.Catalog.ReadOnly() != nil {
		return nil
	}
	return a.participant.Start()
}

// Resolve resolves, until ctx is done, operations whose driver is gone.
func (a *API) Resolve(ctx context.Context) {
	if a.Catalog.ReadOnly() != nil {
		return
	}
	go a.generations.run(ctx)
	a.participant.Run(ctx, failpoint.Duration("DKV_RESOLVE_EVERY", wire.ResolveEvery), func(err error) { a.Log.Warn("not resolved with all managers", "why", err) })
}

// Confirm returns nil if all managers of a store have this change as the last one and none in progress, else an error
// that says why that is not certain. Member is the address of a member that none of them may have leaving, or empty.
func (a *API) Confirm(ctx context.Context, store, change, member string) error {
	return a.participant.Confirm(ctx, store, change, member)
}

// change updates the catalog and notifies the supervisor, one change at a time: the ports that a change takes count as
// taken when the next one is checked.
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

// limits are the limits of the listener. The time for a body is bounded where it is read (body.go).
type limits struct {
	header                     int // bytes
	headerTime, response, idle time.Duration
	connections                int
}

// maxConns is the largest number of clients that are served at once.
const maxConns = 1024

func standardLimits() limits {
	return limits{
		header: 16 << 10, headerTime: 5 * time.Second, response: 2 * time.Minute, idle: time.Minute,
		connections: connections(),
	}
}

// connections returns the number of clients that are served at once: at most half of the files that this process may
// open, so that the catalog and the instances keep theirs.
func connections() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return maxConns
	}
	return int(max(1, min(maxConns, limit.Cur/2)))
}

// Serve serves requests on listener until ctx is done. Requests in flight then have grace to complete.
func (a *API) Serve(ctx context.Context, listener net.Listener, grace time.Duration) error {
	server := &http.Server{
		Handler:                      a,
		DisableGeneralOptionsHandler: true, // it would wait for a body without a limit
		MaxHeaderBytes:               a.limits.header,
		ReadHeaderTimeout:            a.limits.headerTime,
		WriteTimeout:                 a.limits.response,
		IdleTimeout:                  a.limits.idle,
		ErrorLog:                     slog.NewLogLogger(a.Log.Handler(), slog.LevelDebug),
	}
	var known knownClients
	go known.run(ctx, a.Catalog.Snapshot, a.membership.managers)
	all := newSlots(listener, a.limits.connections, known.has, a.Catalog.Identity())
	a.open.Store(all)
	server.ConnState, server.ConnContext = all.follow, withPlace
	var from net.Listener = all
	if a.Member != nil {
		all.secured = true
		secured := &secureListener{slots: all, config: a.Member.Server(),
			refusal: wire.RefuseTLSRequired.With(a.Member.Identity().Cluster)}
		from, server.ConnState = secured, secured.follow
		if a.Member.TakesPlain() {
			from = newEitherListener(*secured)
		}
		server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){} // HTTP/1.1 alone
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(from) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		_ = server.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
