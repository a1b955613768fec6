package twophase

import (
	"context"
	"errors"
	"slices"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// A manager whose catalog had to be taken from an older generation may have forgotten a vote. It takes no
// part in what is decided about a store until the store's coordinator has told it how the store is; where it is
// the coordinator itself it decides nothing, and counts as lost.

// isSuspect reports whether this manager may have forgotten a vote about a store. About names that it does
// not know it can ask nobody: there it is suspect until it is started with a whole catalog.
func (m *Participant) isSuspect(d *catalog.Data, store string) bool {
	return slices.Contains(d.SuspectStores, strings.ToLower(store)) || m.Suspect && d.Named(store) == nil
}

// markAllSuspect keeps, also for the starts to come, that every store is doubtful, and all that is being voted for.
func markAllSuspect(d *catalog.Data) {
	for name := range d.Stores {
		d.SuspectStores = append(d.SuspectStores, strings.ToLower(name))
	}
	for key, n := range d.Names {
		if n.Prepared != nil {
			d.SuspectStores = append(d.SuspectStores, key)
		}
	}
	slices.Sort(d.SuspectStores)
	d.SuspectStores = slices.Compact(d.SuspectStores)
}

// clearSuspect ends the doubt about a store.
func clearSuspect(d *catalog.Data, store string) {
	d.SuspectStores = slices.DeleteFunc(d.SuspectStores, func(key string) bool { return key == strings.ToLower(store) })
}

// checkSuspect refuses to vote, and to decide, by a memory that may have a gap.
func (m *Participant) checkSuspect(d *catalog.Data, store string) *wire.Result {
	if !m.isSuspect(d, store) {
		return nil
	}
	return wire.RefuseSuspect.With(m.self(), store)
}

// recoverSuspect takes a store whole from its coordinator, and with it how everything ended that this manager held. One
// that has no more of the store than a vote may not be to keep it.
func (m *Participant) recoverSuspect(store string, there *wire.StoreState) error {
	err := m.Catalog.Update(func(d *catalog.Data) error {
		n, s := d.Name(store), d.Stores[store]
		coordinator := s != nil && there.Manager == s.Coordinator || s == nil && n.Prepared != nil && there.Manager == n.Prepared.Coordinator
		if !coordinator || there.Prepared != nil || there.Replacing != "" {
			return nil
		}
		switch c := there.Configuration; {
		case c != nil && hasManager(c.Managers, m.self()):
			if s != nil && s.Creation != c.Creation { // removed and created anew since the older generation
				d.RemoveStore(store)
				s = nil
			}
			m.installConfiguration(d, store, c, installOptions{founding: s == nil && c.Revision == 1})
		case s != nil && c == nil && there.Removed != "":
			RemoveStore(d, store, there.Removed)
		case s != nil:
			return nil
		}
		if n.Prepared != nil {
			d.RecordDecision(decisionOf(n.Prepared, there.Of(n.Prepared.ID) == wire.OperationCommitted), m.Now())
		}
		d.SetName(store, func(n *catalog.Name) { n.Epoch = max(n.Epoch, there.Epoch) })
		clearSuspect(d, store)
		return nil
	})
	m.touch(suspectKey(store))
	return err
}

// dropReplaced drops a change of a new store that this manager, as its coordinator, can't decide about, once the others
// have decided without it. They decide when it was declared lost.
func (m *Participant) dropReplaced(ctx context.Context, p *catalog.PreparedRecord) error {
	d := m.Catalog.Snapshot()
	if !m.isSuspect(d, p.Store) || d.Named(p.Store) != nil { // with a store, Tend learns it
		return nil
	}
	var all []error
	for _, w := range p.Managers {
		if w.Identity == m.self() {
			continue
		}
		there, err := m.Peers.State(ctx, w.URL, p.Store)
		if err == nil && there.Manager == w.Identity && slices.Contains(there.Fenced, m.self()) {
			return m.Catalog.Update(func(d *catalog.Data) error {
				d.RecordDecision(decisionOf(p, false), m.Now())
				clearSuspect(d, p.Store)
				return nil
			})
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

// suspectKey is what the silence of a suspect store's coordinator is measured under.
func suspectKey(store string) string { return "suspect " + strings.ToLower(store) }

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
