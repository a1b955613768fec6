package twophase

import (
	"context"
	"slices"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// A manager whose catalog lost its vote for a new store does not know the name, so it has nobody to ask. The
// store's coordinator finds it in its list, and tells it where to ask.

// notifyLostVote tells a manager of a store, of which this one is the coordinator, that it has forgotten it.
func (m *Participant) notifyLostVote(ctx context.Context, w wire.Manager, store string, there *wire.StoreState) error {
	d := m.Catalog.Snapshot()
	n, s := d.Name(store), d.Stores[store]
	if s == nil || s.Coordinator != m.self() || n.DeclaredLost || n.Prepared != nil || n.Replacing != "" || m.isSuspect(d, store) || !hasManager(s.Managers, w.Identity) {
		return nil
	}
	if there.Configuration != nil || there.Prepared != nil || there.Replacing != "" || there.Epoch >= s.Epoch || !votedByAll(s.LastCommitted()) {
		return nil
	}
	return m.Peers.Resolve(ctx, w, store, urlOf(s.Managers, m.self()))
}

// recoverLostVote takes a store that this manager has forgotten from its coordinator, where that is at a URL.
func (m *Participant) recoverLostVote(ctx context.Context, store, coordinator string) error {
	if coordinator == "" || m.Catalog.Snapshot().Named(store) != nil {
		return nil
	}
	there, err := m.Peers.State(ctx, coordinator, store)
	if err != nil {
		return coordinatorSilent(err)
	}
	return m.Catalog.Update(func(d *catalog.Data) error {
		if m.hasLostVote(d, store, &there) {
			m.installConfiguration(d, store, there.Configuration, installOptions{founding: there.Configuration.Revision == 1})
			d.SetName(store, func(n *catalog.Name) { n.Epoch = max(n.Epoch, there.Epoch) })
		}
		return nil
	})
}

// hasLostVote says whether a store's home shows that this manager has lost its vote for the store: it is among those that
// keep it, at an epoch that it has never voted for. What was removed here, or never wanted, has no such epoch.
func (m *Participant) hasLostVote(d *catalog.Data, store string, there *wire.StoreState) bool {
	c, n := there.Configuration, d.Name(store)
	switch {
	case d.Named(store) != nil, n.Prepared != nil, n.Replacing != "", slices.Contains(n.Fenced, there.Manager):
		return false
	case c == nil, there.Prepared != nil, there.Replacing != "", there.Suspect, slices.Contains(there.Fenced, m.self()):
		return false
	}
	return c.Coordinator == there.Manager && hasManager(c.Managers, m.self()) && n.Epoch < c.Epoch && votedByAll(c.LastOperation)
}

// votedByAll reports whether all managers have voted for a change: those that each of them makes for itself take their
// names from what they lead to.
func votedByAll(change string) bool { return !strings.HasPrefix(change, "d-") }
