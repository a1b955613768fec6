package fakemanager

import (
	"context"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"dkvrun/runtime/wire"
)

// manager is one fake manager. It keeps its state in memory only, so a vote does not survive the process.
type manager struct {
	group *group
	// identity is that of the plan, address is host:port.
	identity, address, host, port string

	// suspect: the manager may have forgotten a vote, like a real one that fell back to an older catalog. It refuses to
	// vote.
	suspect bool

	mu   sync.Mutex
	kept map[string]*entry // by lower-case name
	list []byte            // all stores as JSON; nil after a request that may have changed them
}

// entry is the state of a manager for one store name. Names that differ only in case share an entry.
type entry struct {
	wire.StoreState
	// change is the prepared operation; lastContact is the time of the last message from its driver.
	change      *wire.Operation
	lastContact time.Time
	// own holds the instances of this manager by name.
	own map[string]*wire.Instance
	// seeded: managers without an instance of the store report its instances as running.
	seeded bool
}

func newManager(g *group, i int) *manager {
	m := &manager{group: g, address: g.plan.Address(i), kept: map[string]*entry{}}
	m.identity = g.plan.Identity(i)
	m.suspect = g.plan.Fault(i) == Suspect
	m.host, m.port, _ = net.SplitHostPort(m.address)
	m.kept[strings.ToLower(Seeded)] = m.seed(i)
	return m
}

// entry returns the entry of a name, and creates it if there is none.
func (m *manager) entry(name string) *entry {
	key := strings.ToLower(name)
	e := m.kept[key]
	if e == nil {
		e = &entry{StoreState: wire.StoreState{Manager: m.identity}}
		m.kept[key] = e
	}
	if e.Configuration == nil {
		e.Store = name
	}
	return e
}

// find returns the existing store with exactly this name, or a refusal.
func (m *manager) find(name string) (*entry, *wire.Result) {
	e := m.kept[strings.ToLower(name)]
	if e == nil || e.Configuration == nil || e.Store != name {
		return nil, wire.RefuseStoreNotFound.With(name)
	}
	return e, nil
}

func (m *manager) getInfo(*request) any {
	condition := &wire.Condition{Health: wire.HealthReady}
	if m.suspect {
		condition = wire.NewCondition(wire.HealthDegraded, "it may have forgotten a vote", "")
	}
	return wire.Info{Identity: m.identity, Host: m.host, Listen: m.address, Version: wire.Version, Build: wire.Build(),
		Condition: condition}
}

func (m *manager) getHealth(*request) any { return done("Alive") }

// getCertificates returns that there are none, as a manager that is not secured. It leaves the instances out.
func (m *manager) getCertificates(*request) any {
	return wire.Certificates{Certificates: []wire.Certificate{{TLS: wire.TLSOff}}}
}

func (m *manager) listStores(*request) any {
	if m.list == nil {
		stores := []*wire.Store{}
		for _, key := range slices.Sorted(maps.Keys(m.kept)) {
			if e := m.kept[key]; e.Configuration != nil {
				stores = append(stores, m.view(e))
			}
		}
		m.list = encode(stores)
	}
	return document(m.list)
}

func (m *manager) getStore(r *request) any {
	e, missing := m.find(r.store)
	if missing != nil {
		return missing
	}
	return m.view(e)
}

// answer returns the HTTP status and the body of the answer to a request.
func (m *manager) answer(ctx context.Context, r *request) (int, []byte) {
	route := r.route()
	if route == nil {
		return m.encodeAnswer("Request", r, wire.Refuse(wire.CodeNotFound, "there is nothing for fake managers at %s %s", r.method, r.path))
	}
	action := route.action
	if r.instance != "" {
		action += ":" + r.instance
	}
	if to := r.query.Get("to"); route.addressed && to != m.identity {
		return m.encodeAnswer(action, r, wire.RefuseWrongManager.With(m.identity))
	}
	if route.queriesCoordinator {
		if silent := m.resolveStore(ctx, r.store); silent != nil {
			return m.encodeAnswer(action, r, silent)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire()
	if r.method != http.MethodGet {
		m.list = nil
	}
	return m.encodeAnswer(action, r, route.handle(m, r))
}
