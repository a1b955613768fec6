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

// manager is one fake. What it keeps is in memory alone.
type manager struct {
	part *part
	// identity is "fake-" and the address, its host:port.
	identity, address, host, port string

	// suspect: the manager may have forgotten a vote, as one that fell back to an older catalog.
	suspect bool

	mu   sync.Mutex
	kept map[string]*entry // by name in lower case
	list []byte            // all stores as JSON; nil when they have changed since
}

// entry is what a manager has under one name, upper and lower case alike.
type entry struct {
	wire.StoreState
	// change is the pending one, heard when a sign of life came from its runner.
	change *wire.Operation
	heard  time.Time
	// own are the store's instances of this manager.
	own map[string]*wire.Instance
	// seeded: also those that run none of its instances say that they run.
	seeded bool
}

func newManager(p *part, i int) *manager {
	m := &manager{part: p, address: p.plan.Address(i), kept: map[string]*entry{}}
	m.identity = "fake-" + m.address
	m.suspect = p.plan.Fault(i) == Suspect
	m.host, m.port, _ = net.SplitHostPort(m.address)
	m.kept[strings.ToLower(Seeded)] = m.seed(i)
	return m
}

// entry is what there is under a name, made where there is nothing yet.
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

// find is a store that is there, under exactly this name.
func (m *manager) find(name string) (*entry, *wire.Result) {
	e := m.kept[strings.ToLower(name)]
	if e == nil || e.Configuration == nil || e.Store != name {
		return nil, wire.RefuseStoreNotFound.With(name)
	}
	return e, nil
}

func (m *manager) getInfo(*request) any {
	return wire.Info{Identity: m.identity, Host: m.host, Listen: m.address, Version: wire.Version}
}

func (m *manager) getHealth(*request) any { return done("Alive") }

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

// answer gives the status and the body of a manager's answer.
func (m *manager) answer(ctx context.Context, r *request) (int, []byte) {
	route := r.route()
	if route == nil {
		return encodeAnswer("Request", wire.Refuse(wire.CodeNotFound, "there is nothing for fake managers at %s %s", r.method, r.path))
	}
	action := route.action
	if r.instance != "" {
		action += ":" + r.instance
	}
	if to := r.query.Get("to"); route.addressed && to != m.identity {
		return encodeAnswer(action, wire.RefuseWrongManager.With(m.identity))
	}
	if route.queriesCoordinator {
		if silent := m.settle(ctx, r.store); silent != nil {
			return encodeAnswer(action, silent)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire()
	if r.method != http.MethodGet {
		m.list = nil
	}
	return encodeAnswer(action, route.handle(m, r))
}
