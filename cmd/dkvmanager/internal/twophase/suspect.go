package twophase

import (
	"context"
	"errors"
	"slices"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// A manager whose catalog was loaded from an older generation is suspect: the generation that is lost may have held a
// vote or a decision. Anything that it does now could contradict them:
//
//   - If it lost a vote, the others may have committed the operation. Voting for another one, with the name and the
//     ports apparently free, would break I4 and I6.
//   - If it lost a decision as the coordinator, aborting the operation after its commit, or the reverse, would break
//     I1.
//
// So it is mute: it neither votes nor commits, it expires no lease, and the others ignore its state. As a participant
// it stays so until it has taken the whole store from the coordinator, which knows every decision. As the coordinator
// it heals by what all others have (healing.go), or the others replace it. The instances that run go on meanwhile.

// isSuspect reports whether this manager may have lost a vote or a decision about a store, or about a name without one.
func (m *Participant) isSuspect(d *catalog.Data, store string) bool {
	return slices.Contains(d.SuspectStores, strings.ToLower(store)) ||
		d.SuspectNames && d.Named(store) == nil && !d.Name(store).Confirmed
}

// clearSuspect removes a store's mark in d. Callers do it in the update that completes this manager's records of the
// store, or removes the store.
func clearSuspect(d *catalog.Data, store string) {
	d.SuspectStores = slices.DeleteFunc(d.SuspectStores, func(key string) bool { return key == strings.ToLower(store) })
	if d.SuspectNames { // the name is not suspect either once the store is removed
		d.SetName(store, func(n *catalog.Name) { n.Confirmed = true })
	}
}

// checkSuspect refuses to vote or to decide about a store that is suspect here.
func (m *Participant) checkSuspect(d *catalog.Data, store string) *wire.Result {
	if !m.isSuspect(d, store) {
		return nil
	}
	return wire.RefuseSuspect.With(m.self(), store)
}

// recoverSuspect takes a store from its coordinator's state, together with the decision of this manager's prepared
// operation, and removes the suspect mark: all in one update, so a crash leaves the store suspect or recovered.
//
// It waits while the coordinator has a prepared operation. This manager may have voted for it and lost the vote; then
// it would look free to vote again although the coordinator counts on the old vote (I4). Once that one is decided, the
// coordinator's configuration includes the outcome of every vote that can have been lost (I5).
func (m *Participant) recoverSuspect(store string, there *wire.StoreState) error {
	err := m.Catalog.Update(func(d *catalog.Data) error {
		n, s := d.Name(store), d.Stores[store]
		coordinator := s != nil && there.Manager == s.Coordinator || s == nil && n.Prepared != nil &&
			there.Manager == n.Prepared.Coordinator
		if !coordinator || there.Prepared != nil || there.Replacing != "" {
			return nil
		}
		switch c := there.Configuration; {
		// The coordinator's configuration is the committed one (I3). It replaces what this manager has (I2).
		case c != nil && hasManager(c.Managers, m.self()):
			if s != nil && s.Creation != c.Creation { // removed and created anew since the older generation
				d.RemoveStore(store)
				s = nil
			}
			m.installConfiguration(d, store, c, installOptions{founding: s == nil && c.Revision == 1})
		case s != nil && c == nil && there.Removed != "":
			RemoveStore(d, store, there.Removed)
		// The coordinator keeps the store without this manager, or shows no store and no removal: nothing can be
		// concluded about the store here, so it stays suspect. With a vote alone there is nothing to keep.
		case s != nil:
			return nil
		}
		// I1: the lost generation can't have held another outcome than the coordinator's.
		if n.Prepared != nil {
			d.RecordDecision(decisionOf(n.Prepared, there.Of(n.Prepared.ID) == wire.OperationCommitted), m.Now())
		}
		// I1: a message up to the coordinator's epoch is a late one from now on, whatever this catalog remembers of it.
		d.SetName(store, func(n *catalog.Name) { n.Epoch = max(n.Epoch, there.Epoch) })
		clearSuspect(d, store)
		return nil
	})
	// This counts as a contact even if the coordinator's state could not be used yet: the coordinator may still decide
	// about a vote that was lost here. An answer of another manager counts, too; it can only delay the promise to
	// ignore the coordinator.
	m.touch(suspectKey(store))
	return err
}

// dropReplaced aborts a prepared operation that creates a store, of which this suspect manager is the coordinator, once
// one of the others shows that it was declared lost for the name. It can't decide the operation itself, since it may
// have committed it (I1). The replacement has decided it, and the outcome can't involve this manager any more (I8), so
// here the record is only deleted, which frees the name and the ports.
func (m *Participant) dropReplaced(ctx context.Context, p *catalog.PreparedRecord) error {
	d := m.Catalog.Snapshot()
	if !m.isSuspect(d, p.Store) || d.Named(p.Store) != nil { // if it has the store, reconcile finds out
		return nil
	}
	var all []error
	for _, w := range p.Managers {
		if w.Identity == m.self() {
			continue
		}
		// One survivor suffices: it lists this manager as fenced only after all had promised to ignore it.
		there, err := m.Peers.State(ctx, w.URL, p.Store, wire.StateQuestion{From: m.self()})
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

// suspectKey returns the key in lastContact of a suspect store's coordinator. The space tells it from
// operation ids, which are UUIDs.
func suspectKey(store string) string { return "suspect " + strings.ToLower(store) }

// A manager that lost its vote for a new store does not know the store's name, so it can't ask another manager about
// it. The store's coordinator lists the manager among those of the store, notices that it does not have the store, and
// notifies it with the coordinator's URL. The manager then reads the coordinator's state and acts on that alone: a
// notification that is late, repeated or false changes nothing.

// notifyLostVote asks a manager to resolve a store that this manager coordinates, if the manager's state shows that it
// has lost its vote for the store, or has another content of the store's last operation. It sends no notification
// unless this coordinator's records are certain: it is not suspect or declared lost, and nothing is prepared or being
// replaced here.
func (m *Participant) notifyLostVote(ctx context.Context, w wire.Manager, store string, there *wire.StoreState) error {
	d := m.Catalog.Snapshot()
	n, s := d.Name(store), d.Stores[store]
	if s == nil || s.Coordinator != m.self() || n.DeclaredLost || n.Prepared != nil || n.Replacing != "" ||
		m.isSuspect(d, store) || !hasManager(s.Managers, w.Identity) {
		return nil
	}
	// It may have the wrong manager as the coordinator, and would not ask this one by itself (see isBehind).
	if c := there.Configuration; c != nil && there.Prepared == nil && c.LastOperation == s.LastCommitted() &&
		wire.VotedByAll(c.LastOperation) && !c.SameContent(s.Configuration()) {
		return m.Peers.Resolve(ctx, w, store, urlOf(s.Managers, m.self()))
	}
	// A manager that has voted has seen the store's epoch, even if it has removed the store since.
	if there.Configuration != nil || there.Prepared != nil || there.Replacing != "" || there.Epoch >= s.Epoch ||
		!wire.VotedByAll(s.LastCommitted()) {
		return nil
	}
	return m.Peers.Resolve(ctx, w, store, urlOf(s.Managers, m.self()))
}

// recoverLostVote installs a store for which this manager has lost its vote, from the coordinator at the given URL. It
// is the commit that this manager missed (I5): it had voted for the store, or the coordinator could not have committed
// it.
func (m *Participant) recoverLostVote(ctx context.Context, store, coordinator string) error {
	if coordinator == "" || m.Catalog.Snapshot().Named(store) != nil {
		return nil
	}
	there, err := m.Peers.State(ctx, coordinator, store, wire.StateQuestion{From: m.self()})
	if err != nil {
		return coordinatorSilent(err)
	}
	// hasLostVote runs within the update: the store may have been prepared or installed while the coordinator answered.
	return m.Catalog.Update(func(d *catalog.Data) error {
		if m.hasLostVote(d, store, &there) {
			m.installConfiguration(d, store, there.Configuration, installOptions{founding: there.Configuration.Revision == 1})
			d.SetName(store, func(n *catalog.Name) { n.Epoch = max(n.Epoch, there.Epoch) })
		}
		return nil
	})
}

// hasLostVote reports whether the state of a store's coordinator proves that this manager has lost its vote for the
// store: it is one of the store's managers, at an epoch above every one that it remembers. A commit needs all votes at
// its epoch, and a vote raises the voter's epoch durably; a store that was removed here has left its epoch behind.
func (m *Participant) hasLostVote(d *catalog.Data, store string, there *wire.StoreState) bool {
	c, n := there.Configuration, d.Name(store)
	switch {
	// This manager knows the name after all, or must not follow that coordinator (I8).
	case d.Named(store) != nil, n.Prepared != nil, n.Replacing != "", slices.Contains(n.Fenced, there.Manager):
		return false
	// The coordinator's state is not final, or not to be relied on, or excludes this manager.
	case c == nil, there.Prepared != nil, there.Replacing != "", there.Suspect, slices.Contains(there.Fenced, m.self()):
		return false
	}
	return c.Coordinator == there.Manager && hasManager(c.Managers, m.self()) && n.Epoch < c.Epoch &&
		wire.VotedByAll(c.LastOperation)
}
