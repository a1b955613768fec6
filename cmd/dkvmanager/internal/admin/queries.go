package admin

import (
	"cmp"
	"context"
	_ "embed"
	"maps"
	"slices"
	"sync"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

func (a *API) listStores(req *request) (any, error) {
	d := a.Catalog.Snapshot()
	stores := make([]wire.Store, len(d.Stores))
	var views sync.WaitGroup
	for i, name := range slices.Sorted(maps.Keys(d.Stores)) {
		views.Go(func() { stores[i] = a.storeView(req.ctx, d, d.Stores[name]) })
	}
	views.Wait()
	return stores, nil
}

func (a *API) getStore(req *request) (any, error) {
	d := a.Catalog.Snapshot()
	s, err := find(d, req.store)
	if err != nil {
		return nil, err
	}
	out := a.storeView(req.ctx, d, s)
	out.Strays = a.Supervisor.Strays(s.Name)
	return out, nil
}

// getEndpoints returns the client ports of a store and what tells it from other ones: all that an application needs.
func (a *API) getEndpoints(req *request) (any, error) {
	s := a.Catalog.Snapshot().Stores[req.store]
	if s == nil {
		return nil, wire.RefuseStoreNotFound.With(req.store)
	}
	out := wire.StoreEndpoints{Name: s.Name, Creation: s.Creation, Revision: s.Revision, Endpoints: []wire.StoreEndpoint{}}
	for _, n := range s.Nodes {
		out.Endpoints = append(out.Endpoints, wire.StoreEndpoint{Instance: n.Name, Host: n.Host, Port: n.ClientPort})
	}
	for _, in := range a.Supervisor.Instances(req.ctx, s.Name) {
		out.Cluster = cmp.Or(out.Cluster, in.Cluster)
	}
	return out, nil
}

// find returns a store of the catalog, or a refusal that says that it doesn't exist.
func find(d *catalog.Data, name string) (*catalog.Store, error) {
	if s := d.Stores[name]; s != nil {
		return s, nil
	}
	if s := d.Named(name); s != nil {
		return nil, wire.Refuse(wire.CodeStoreNotFound, "there is no store %s here, but %s: names are case-sensitive", name, s.Name)
	}
	return nil, wire.RefuseStoreNotFound.With(name)
}

// node returns a node of the topology by its name, or nil.
func node(nodes []wire.Node, name string) *wire.Node {
	i := slices.IndexFunc(nodes, func(n wire.Node) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return &nodes[i]
}

// storeView returns a store as the API shows it: the catalog's content and the state of this server's instances.
func (a *API) storeView(ctx context.Context, d *catalog.Data, s *catalog.Store) wire.Store {
	out := wire.Store{
		Name: s.Name, Engine: s.Engine, Creation: s.Creation,
		LastOperation: s.LastCommitted(), Revision: s.Revision, Epoch: s.Epoch, Digest: s.Digest, Coordinator: s.Coordinator,
		Managers:   append([]wire.Manager{}, s.Managers...),
		Founders:   append([]wire.Founder{}, s.Founders...),
		Instances:  make([]wire.Instance, 0, len(s.Nodes)),
		ClusterTLS: s.ClusterTLS,
		Prepared:   a.participant.PreparedOf(d, s.Name),
		Condition:  storeCondition(a.Catalog, a.participant, d, s.Name),
	}
	seen := map[string]wire.Instance{}
	for _, in := range a.Supervisor.Instances(ctx, s.Name) {
		seen[in.Name] = in
	}
	for _, n := range s.Nodes {
		local := s.Local[n.Name]
		in := wire.Instance{Status: wire.Unknown}
		if local != nil && local.Leaving == nil {
			if now, found := seen[n.Name]; found {
				in = now
			}
			in.Started = local.Started
		}
		in.Node, in.Own = n, a.Owns(n)
		out.Instances = append(out.Instances, in)
	}
	// The catalog says which instances are leaving: the supervisor may not have noticed yet.
	for _, name := range slices.Sorted(maps.Keys(s.Local)) {
		if local := s.Local[name]; local.Leaving != nil {
			in := seen[name]
			in.Node, in.Own, in.Status, in.Started = *local.Leaving, true, wire.Leaving, local.Started
			in.Ready, in.Leader = false, false
			out.Leaving = append(out.Leaving, in)
		}
	}
	out.Status = status(out.Instances)
	out.Members = a.Supervisor.MemberCheck(s.Name)
	return out
}

// status derives the store's status from its own instances.
func status(instances []wire.Instance) wire.StoreStatus {
	own := slices.DeleteFunc(slices.Clone(instances), func(in wire.Instance) bool { return !in.Own })
	status, _ := wire.StoreStatusOf(own)
	return status
}

// Limits of the window for rates, in seconds.
const (
	maxWindow     = 60
	defaultWindow = 5
)

func (a *API) getMetrics(req *request) (any, error) {
	window, err := req.number("windowSec", defaultWindow, 1, maxWindow)
	if err != nil {
		return nil, err
	}
	store := req.query.Get("store")
	if req.query.Has("store") {
		if err := wire.CheckName(store); err != nil {
			return nil, wire.Refuse(wire.CodeBadName, "parameter store: %w", err)
		}
		req.store = store
		if _, err := find(a.Catalog.Snapshot(), store); err != nil {
			return nil, err
		}
	}
	metrics := a.Supervisor.Metrics(req.ctx, store, time.Duration(window)*time.Second)
	return wire.Metrics{WindowSec: float64(window), Metrics: append([]wire.Metric{}, metrics...)}, nil
}

// capabilities lists the features that a runner may use beyond the first version's routes.
var capabilities = []string{"gzip"}

func (a *API) getInfo(*request) (any, error) {
	var security *wire.Security
	if a.Member != nil {
		security = a.Member.Info()
	}
	return wire.Info{
		Security:      security,
		Identity:      a.Catalog.Identity(),
		Host:          a.Host,
		Listen:        a.Listen,
		Version:       wire.Version,
		Build:         wire.Build(),
		Condition:     conditionOf(a.Catalog),
		Boot:          a.Boot,
		CatalogDigest: a.Catalog.Snapshot().Digest(),
		Capabilities:  capabilities,
	}, nil
}

// getCertificates returns what this manager and its instances show.
func (a *API) getCertificates(req *request) (any, error) {
	self := wire.Certificate{TLS: wire.TLSOff}
	if a.Member != nil {
		self = a.Member.Describe()
		if open := a.open.Load(); open != nil {
			self.OldClients = open.clients(a.Member.Rotation().IsOld)
			self.OldClients = self.OldClients[:min(len(self.OldClients), wire.MaxOldClients)]
		}
	}
	all := a.Supervisor.Certificates(req.ctx)
	return wire.Certificates{Certificates: append([]wire.Certificate{self}, all...)}, nil
}

// getHealth says that the manager is alive, and in a word whether it is well. It gives no details: everybody may ask.
func (a *API) getHealth(*request) (any, error) {
	switch healthOf(a.Catalog) {
	case wire.HealthReadOnly:
		return success("Alive, read-only"), nil
	case wire.HealthDegraded:
		return success("Alive, degraded: it may have forgotten votes"), nil
	}
	return success("Alive"), nil
}

//go:generate go run ./openapigen ../../../../docs/openapi.yaml openapi.json

//go:embed openapi.json
var openAPI []byte

func (a *API) getOpenAPI(*request) (any, error) { return document(openAPI), nil }

// getAccess returns what this manager has of the access log, and with the parameter audit what it remembers of the
// audit log of another manager.
func (a *API) getAccess(req *request) (any, error) {
	value, err := a.membership.getAccess(req)
	if v, is := value.(wire.Access); is && req.query.Has("audit") && a.Heard != nil {
		v.Heard = a.Heard.Of(req.query.Get("audit"))
		return v, err
	}
	return value, err
}

// getState returns, for other managers and repairs, what this manager has of a store, even if it has no such store.
func (a *API) getState(req *request) (any, error) {
	content, err := req.flag("content")
	if err != nil {
		return nil, err
	}
	if err := a.asked(req); err != nil {
		return nil, err
	}
	s, err := a.participant.State(req.store)
	if err != nil {
		return nil, err
	}
	p := a.Catalog.Snapshot().Name(req.store).Prepared
	if content && p != nil && s.Prepared != nil && p.ID == s.Prepared.ID {
		s.Content = &p.Operation
	}
	s.Asks = a.Supervisor.Asks(req.store)
	s.Generation, s.Heard = a.Catalog.Generation(), a.generations.of(req.sender)
	return s, nil
}

// asked lets the participant know who asks for a state, if it is a manager. Who says that it holds the store is
// believed only with a URL that this manager may ask (see mayIntroduce).
func (a *API) asked(req *request) error {
	q := req.question
	if q.From == "" || a.Member != nil && req.caller.Role != identity.ManagerRole {
		return nil
	}
	if q.Holds && a.participant.Doubtful(req.store) && !namedInCatalog(a.Catalog.Snapshot(), q.URL) {
		if !a.waiting.introduce() {
			q.Holds = false
		} else {
			defer a.waiting.introduced()
			q.Holds = a.mayIntroduce(req.ctx, req, q.URL)
		}
	}
	return a.participant.Asked(req.store, q)
}

// Limits of the lines of a log in one response.
const (
	maxLogLines     = 10000
	defaultLogLines = 50
)

func (a *API) getLog(req *request) (any, error) {
	tail, err := req.number("tail", defaultLogLines, 1, maxLogLines)
	if err != nil {
		return nil, err
	}
	if err := a.checkOwn(req); err != nil {
		return nil, err
	}
	lines, err := a.Supervisor.Log(req.store, req.instance, int(tail))
	if err != nil {
		return nil, err
	}
	return text(lines), nil
}
