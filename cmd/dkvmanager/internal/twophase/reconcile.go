package twophase

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// Reconcile compares this manager's stores with what the other managers have: it takes what it missed from a
// store's coordinator, learns when it was declared lost while it was away, and reminds those that have forgotten a
// store of which it is the coordinator. The error says who gave no answer.
func (m *Participant) Reconcile(ctx context.Context) error {
	silent := map[string]error{} // by URL: one that does not answer is asked once a round
	stores := m.Catalog.Snapshot().Stores
	for _, name := range slices.Sorted(maps.Keys(stores)) {
		s := stores[name]
		for _, w := range s.Managers {
			if w.Identity == m.self() || silent[w.URL] != nil {
				continue
			}
			there, err := m.Peers.State(ctx, w.URL, name)
			if err != nil {
				silent[w.URL] = err
				continue
			}
			if there.Manager != w.Identity {
				continue // another manager under that address
			}
			if err := m.reconcileStore(name, &there); err != nil {
				return err
			}
			if err := m.notifyLostVote(ctx, w, name, &there); err != nil {
				silent[w.URL] = err
			}
		}
	}
	var all []error
	for _, url := range slices.Sorted(maps.Keys(silent)) {
		all = append(all, silent[url])
	}
	return errors.Join(all...)
}

// reconcileStore does what another manager's state of a store calls for.
func (m *Participant) reconcileStore(store string, there *wire.StoreState) error {
	d := m.Catalog.Snapshot()
	n, s := d.Name(store), d.Stores[store]
	switch {
	case s == nil || n.DeclaredLost:
		return nil
	case slices.Contains(there.Fenced, m.self()):
		return m.Catalog.Update(func(d *catalog.Data) error { return markDeclaredLost(d, store) })
	case there.Suspect:
		return nil
	case m.isSuspect(d, store):
		return m.recoverSuspect(store, there)
	case !m.isBehind(&n, s, there):
		return nil
	}
	return m.Catalog.Update(func(d *catalog.Data) error {
		n, s := d.Name(store), d.Stores[store]
		if s == nil || !m.isBehind(&n, s, there) {
			return nil
		}
		if there.Configuration == nil {
			RemoveStore(d, store, there.Removed)
		} else {
			m.installConfiguration(d, store, there.Configuration, installOptions{})
		}
		d.SetName(store, func(n *catalog.Name) { n.Epoch = max(n.Epoch, there.Epoch) })
		return nil
	})
}

// isBehind reports whether a store's coordinator has another configuration, which this manager is to take.
func (m *Participant) isBehind(n *catalog.Name, s *catalog.Store, there *wire.StoreState) bool {
	switch {
	case there.Manager != s.Coordinator, n.Prepared != nil, n.Replacing != "", n.DeclaredLost, slices.Contains(n.Fenced, s.Coordinator):
		return false
	case there.Prepared != nil, there.Replacing != "", there.Epoch < n.Epoch:
		return false
	case there.Configuration == nil:
		return there.Removed != "" && there.Epoch > s.Epoch
	}
	c := there.Configuration
	return hasManager(c.Managers, m.self()) && c.Creation == s.Creation && (c.Revision != s.Revision || c.LastOperation != s.LastCommitted())
}

// markDeclaredLost keeps, durably, that this manager was declared lost: the store goes on without it, so its own
// instances stop. Their data stays until the store is removed here.
func markDeclaredLost(d *catalog.Data, store string) error {
	d.SetName(store, func(n *catalog.Name) { n.DeclaredLost = true })
	if s := d.Stores[store]; s != nil {
		for _, l := range s.Local {
			l.Desired = wire.DesiredStopped
		}
	}
	return nil
}

// ResolveStore ends what can be ended of one store, at once: what has expired here, and what its coordinator has
// decided. It takes what was missed. Home is the URL of the store's home, for a manager that has forgotten
// the store; it may be empty.
func (m *Participant) ResolveStore(ctx context.Context, store, coordinator string) (wire.StoreState, error) {
	if err := m.ExpireLeases(); err != nil {
		return wire.StoreState{}, err
	}
	if err := m.recoverLostVote(ctx, store, coordinator); err != nil {
		return wire.StoreState{}, err
	}
	d := m.Catalog.Snapshot()
	n := d.Name(store)
	if n.Prepared != nil && !m.coordinates(n.Prepared) && n.Replacing == "" {
		if err := m.followCoordinator(ctx, n.Prepared); err != nil {
			return wire.StoreState{}, coordinatorSilent(err)
		}
	}
	if s := d.Stores[store]; s != nil && s.Coordinator != "" && s.Coordinator != m.self() {
		there, err := m.Peers.State(ctx, urlOf(s.Managers, s.Coordinator), store)
		if err != nil {
			return wire.StoreState{}, coordinatorSilent(err)
		}
		if there.Suspect {
			return wire.StoreState{}, coordinatorSilent(fmt.Errorf("%s had to fall back to an older catalog, and decides nothing", urlOf(s.Managers, s.Coordinator)))
		}
		if err := m.reconcileStore(store, &there); err != nil {
			return wire.StoreState{}, err
		}
	}
	return m.State(store)
}

func coordinatorSilent(err error) *wire.Result {
	return wire.RefuseCoordinatorSilent.With(err)
}
