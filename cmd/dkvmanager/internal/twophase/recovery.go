package twophase

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// Resolve ends what can be ended: it ends what expired here, and asks the coordinators about everything
// else that is pending. The error says which coordinators gave no answer; what they decide stays pending.
func (m *Participant) Resolve(ctx context.Context) error {
	all := []error{m.ExpireLeases()}
	names := m.Catalog.Snapshot().Names
	for _, key := range slices.Sorted(maps.Keys(names)) {
		n := names[key]
		switch p := n.Prepared; {
		case p == nil, n.Replacing != "", n.DeclaredLost:
		case !m.coordinates(p):
			all = append(all, m.followCoordinator(ctx, p))
		default:
			all = append(all, m.dropReplaced(ctx, p))
		}
	}
	return errors.Join(all...)
}

// followCoordinator does with a pending change what its home did. A home that does not know the operation has
// undone it: it voted first, and no later operation passes while anyone still holds this one.
func (m *Participant) followCoordinator(ctx context.Context, p *catalog.PreparedRecord) error {
	coordinator, err := m.Peers.State(ctx, urlOf(p.Managers, p.Coordinator), p.Store)
	if err != nil {
		return err
	}
	if coordinator.Manager != p.Coordinator {
		return nil // another manager under that address: its word counts for nothing
	}
	if coordinator.Suspect {
		return nil // it may have forgotten what it decided
	}
	m.touch(p.ID)
	if m.isSuspect(m.Catalog.Snapshot(), p.Store) {
		return m.recoverSuspect(p.Store, &coordinator)
	}
	if slices.Contains(coordinator.Fenced, m.self()) {
		// What it held may be long superseded there: its vote stays, and the store goes on without it.
		return m.Catalog.Update(func(d *catalog.Data) error { return markDeclaredLost(d, p.Store) })
	}
	// I1 and I5: a participant in doubt takes the coordinator's decision and takes none itself.
	switch coordinator.Of(p.ID) {
	case wire.OperationPrepared:
		return nil
	case wire.OperationCommitted:
		_, err = m.Commit(p.ID, p.Epoch)
	default:
		_, err = m.Abort(p.ID, wire.AbortRequest{Store: p.Store, Epoch: p.Epoch})
	}
	var refused *wire.Result
	if errors.As(err, &refused) && refused.Code != wire.CodeReadOnly {
		return nil // it ended while the coordinator was asked
	}
	return err
}

func urlOf(managers []wire.Manager, identity string) string {
	for _, w := range managers {
		if w.Identity == identity {
			return w.URL
		}
	}
	return ""
}

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

// reconcileEvery is how many rounds lie between two comparisons with the other managers.
const reconcileEvery = 12

// Run resolves what is pending every so often, and compares its stores with the other managers' at once
// and every twelfth time, until ctx is done. Neither waits for the other: a comparison takes long where many
// managers are silent. Failed hears of those, once until they are others; it may be called by both at a time.
func (m *Participant) Run(ctx context.Context, every time.Duration, failed func(error)) {
	var both sync.WaitGroup
	both.Go(func() { repeat(ctx, every, m.Resolve, failed) })
	both.Go(func() { repeat(ctx, reconcileEvery*every, m.Reconcile, failed) })
	both.Wait()
}

// repeat does something at once and every so often, until ctx is done.
func repeat(ctx context.Context, every time.Duration, do func(context.Context) error, failed func(error)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	last := ""
	for {
		err := do(ctx)
		if ctx.Err() != nil {
			return
		}
		said := ""
		if err != nil {
			if said = err.Error(); said != last {
				failed(err)
			}
		}
		last = said
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
