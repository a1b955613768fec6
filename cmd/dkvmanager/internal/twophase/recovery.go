package twophase

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// Recovery needs no driver, and no majority either: in two-phase commit one participant has the decision, and the
// others take it from there, however long that participant is silent. A manager can lack a decision in three ways:
//
//   - It is in doubt: it has voted and was told nothing since. Resolve asks the coordinator, every 5 s.
//   - It is behind: it has no prepared record, and another configuration than the coordinator. That happens when an
//     operator restores an older copy of its catalog. reconcile compares the stores, once a minute.
//   - It is suspect: its disk lost the last write. See suspect.go.
//
// Each of them reads another manager's state without holding anything locked, and then checks within the update whether
// its own records still are what the state was read for.

// Resolve brings this manager's undecided operations to their decisions. It aborts those that it coordinates and whose
// lease has expired, and asks the coordinators about all others. The error names the coordinators that did not answer;
// their operations stay prepared, however long it takes: a participant in doubt that decided by itself could contradict
// a commit (I1).
func (m *Participant) Resolve(ctx context.Context) error {
	// Its own leases come first: a participant that asks in the meantime finds the abort. An error does not stop the
	// round, since one silent coordinator must not keep the operations of the others undecided.
	err := m.expireLeases()
	var queries []query
	d := m.Catalog.Snapshot()
	names := d.Names
	for _, key := range slices.Sorted(maps.Keys(names)) {
		n := names[key]
		switch p := n.Prepared; {
		case p == nil, n.Replacing != "", n.DeclaredLost: // I8: only the coordinator replacement decides these
		case !m.coordinates(p):
			url := urlOf(p.Managers, p.Coordinator)
			queries = append(queries, query{url, 0, func() error { return m.followCoordinator(ctx, p) }})
		default:
			queries = append(queries, query{"", 0, func() error { return m.dropReplaced(ctx, p) }})
		}
	}
	for _, key := range d.SuspectStores {
		if store := m.suspectName(d, key); store != "" && !d.Name(store).DeclaredLost {
			queries = append(queries, query{"heal " + key, 1, func() error { return m.heal(ctx, store) }})
		}
	}
	return errors.Join(err, m.resolving.run(queries))
}

// followCoordinator applies the coordinator's decision to a prepared operation of this participant.
//
// A coordinator that does not know the operation has aborted it: the driver prepares there first, so the coordinator's
// prepared record was durable before this vote, and only a decision removes it. A commit would still be visible even if
// its decision record was dropped, as the store's last operation: no later operation can be committed without this
// manager's vote, and this vote blocks the name.
func (m *Participant) followCoordinator(ctx context.Context, p *catalog.PreparedRecord) error {
	url := urlOf(p.Managers, p.Coordinator)
	coordinator, err := m.Peers.State(ctx, url, p.Store,
		m.question(m.Catalog.Snapshot(), p.Store, wire.Manager{Identity: p.Coordinator, URL: url}))
	if err != nil {
		return noAnswer{err}
	}
	if coordinator.Manager != p.Coordinator {
		return nil // another manager has this address now; its ignorance of the operation proves nothing
	}
	m.hear(&coordinator)
	if coordinator.Suspect {
		return nil // I1: it may have lost a decision, and its "unknown" could be a commit
	}
	// The coordinator is alive: it must not be declared lost now (see checkLastContact).
	m.touch(p.ID)
	if m.isSuspect(m.Catalog.Snapshot(), p.Store) {
		return m.recoverSuspect(p.Store, &coordinator)
	}
	if slices.Contains(coordinator.Fenced, m.self()) {
		// I8: the coordinator has another configuration of managers, in which this one is declared lost. What it voted
		// for may be superseded, so it neither commits nor aborts; its instances stop.
		return m.Catalog.Update(func(d *catalog.Data) error { return markDeclaredLost(d, p.Store) })
	}
	// I1 and I5: a participant in doubt applies the coordinator's decision and never decides by itself. It passes the
	// epoch of the vote that it asked about, so that a vote that was raised meanwhile stays for the next round.
	switch coordinator.Of(p.ID) {
	case wire.OperationPrepared:
		return nil // State ends expired leases, so this one still runs
	case wire.OperationCommitted:
		// I7: the coordinator's content counts. A field may have been changed in transit to this manager.
		if digest := coordinator.DigestOf(p.ID); digest != "" && digest != p.Digest {
			return m.commitAs(p, &coordinator, digest)
		}
		_, err = m.Commit(p.ID, p.Epoch)
	default:
		_, err = m.Abort(p.ID, wire.AbortRequest{Store: p.Store, Epoch: p.Epoch})
	}
	var refused *wire.Result
	if errors.As(err, &refused) && refused.Code != wire.CodeReadOnly {
		return nil // it was decided, or prepared again, while the coordinator answered; the next round looks again
	}
	return err
}

// commitAs commits a prepared operation with the content that the coordinator has committed, which has another digest.
// Drivers don't count a vote for another content, except older ones. While the coordinator's configuration is not the
// one that the operation made, the operation stays prepared.
func (m *Participant) commitAs(p *catalog.PreparedRecord, coordinator *wire.StoreState, digest string) error {
	return m.Catalog.Update(func(d *catalog.Data) error {
		c := coordinator.Configuration
		switch now := d.Prepared(p.ID); {
		case now == nil || now.Epoch != p.Epoch:
			return nil // it was decided, or prepared again, while the coordinator answered
		case c == nil && coordinator.Removed == p.ID:
			RemoveStore(d, p.Store, p.ID)
		case c != nil && c.LastOperation == p.ID && hasManager(c.Managers, m.self()):
			m.installConfiguration(d, p.Store, c,
				installOptions{desired: p.Desired, founding: c.Revision == 1, loseData: p.LoseData})
		default:
			return nil
		}
		end := decisionOf(p, true)
		end.Digest = digest
		d.RecordDecision(end, m.Now())
		return nil
	})
}

// urlOf returns the URL of the manager with this identity, or an empty string.
func urlOf(managers []wire.Manager, identity string) string {
	for _, w := range managers {
		if w.Identity == identity {
			return w.URL
		}
	}
	return ""
}

// reconcile compares this manager's stores with those of the other managers. It takes a configuration that it missed
// from the store's coordinator, notices that it was declared lost, and notifies managers that have lost a vote for a
// store that this manager coordinates. The error names the managers that did not answer.
//
// All managers of a store are asked, not only its coordinator. If this manager is a coordinator that was replaced while
// it was away, only the survivors can tell it so (I8).
func (m *Participant) reconcile(ctx context.Context) error {
	var queries []query
	stores := m.Catalog.Snapshot().Stores
	for _, name := range slices.Sorted(maps.Keys(stores)) {
		s := stores[name]
		for i, w := range s.Managers {
			if w.Identity == m.self() {
				continue
			}
			// One manager of each store, then the next one of each: first the coordinators.
			turn := i + 1
			if w.Identity == s.Coordinator {
				turn = 0
			}
			queries = append(queries, query{w.URL, turn, func() error { return m.compare(ctx, name, w) }})
		}
	}
	err := m.reconciling.run(queries)
	return errors.Join(err, m.freeNames(len(m.reconciling.silentSince) == 0))
}

// compare compares a store with that of another manager.
func (m *Participant) compare(ctx context.Context, store string, with wire.Manager) error {
	there, err := m.Peers.State(ctx, with.URL, store, m.question(m.Catalog.Snapshot(), store, with))
	switch {
	case err != nil:
		return noAnswer{err}
	case there.Manager != with.Identity:
		return nil // another manager has this address now
	}
	m.hear(&there)
	if err := m.reconcileStore(store, &there); err != nil {
		return err
	}
	if err := m.notifyLostVote(ctx, with, store, &there); err != nil {
		return noAnswer{err}
	}
	return nil
}

// hear passes on the state of a manager that this one knows. What it shows of generations may make this one suspect.
func (m *Participant) hear(there *wire.StoreState) {
	if m.Heard != nil {
		m.Heard(there)
	}
}

// reconcileStore updates a store by another manager's state of it. Only two kinds of states change anything: the
// coordinator's, which this manager then follows (I5), and one that shows that this manager was declared lost (I8).
func (m *Participant) reconcileStore(store string, there *wire.StoreState) error {
	d := m.Catalog.Snapshot()
	n, s := d.Name(store), d.Stores[store]
	switch {
	case s == nil || n.DeclaredLost:
		return nil
	case slices.Contains(there.Fenced, m.self()):
		// I8: the others have promised not to follow this manager any more, and don't take that back.
		return m.Catalog.Update(func(d *catalog.Data) error { return markDeclaredLost(d, store) })
	case there.Suspect: // its state may be older than the last decision
		return nil
	case m.isSuspect(d, store):
		return m.recoverSuspect(store, there) // does nothing unless the state is the coordinator's
	case !m.isBehind(&n, s, there):
		return nil
	}
	// Checked again within the update: an operation may have been prepared or committed since the snapshot.
	return m.Catalog.Update(func(d *catalog.Data) error {
		n, s := d.Name(store), d.Stores[store]
		if s == nil || !m.isBehind(&n, s, there) {
			return nil
		}
		switch c := there.Configuration; {
		case c == nil:
			RemoveStore(d, store, there.Removed)
		case c.Creation != s.Creation: // see isBehind: no instance of it ever ran here
			desired := desiredState(s)
			d.RemoveStore(store)
			m.installConfiguration(d, store, c, installOptions{desired: desired, founding: c.Revision == 1})
		default:
			m.installConfiguration(d, store, c, installOptions{sameOperation: c.LastOperation == s.LastCommitted()})
		}
		d.SetName(store, func(n *catalog.Name) { n.Epoch = max(n.Epoch, there.Epoch) })
		return nil
	})
}

// isBehind reports whether a state is that of the store's coordinator and has another configuration than this manager:
// another operation, or the same one with another content (I7). While an operation is prepared on either side, the
// answer is no: its decision will bring the configuration.
func (m *Participant) isBehind(n *catalog.Name, s *catalog.Store, there *wire.StoreState) bool {
	switch {
	case n.Prepared != nil, n.Replacing != "", n.DeclaredLost, slices.Contains(n.Fenced, there.Manager):
		return false
	// The changed field may be the coordinator's identity. The true coordinator has the same operation as its last and
	// names itself the coordinator; one that was replaced is fenced.
	case there.Manager != s.Coordinator && !sameOperation(s, there):
		return false
	// An answer with a lower epoch is older than what this manager knows: it was delayed, and must not undo anything.
	case there.Prepared != nil, there.Replacing != "", there.Epoch < n.Epoch:
		return false
	// A missing store is taken as removed only if the coordinator names the operation, and has seen a later epoch.
	case there.Configuration == nil:
		return there.Removed != "" && there.Epoch > s.Epoch
	}
	// A coordinator that keeps the store without this manager does not tell it what to run. Another creation is another
	// store: its data must not be mixed with the data here, so an operator has to remove one of the two.
	c := there.Configuration
	switch {
	case !hasManager(c.Managers, m.self()):
		return false
	case sameOperation(s, there):
		return !c.SameContent(s.Configuration()) && (c.Creation == s.Creation || CheckNeverStarted(s) == nil)
	}
	return c.Creation == s.Creation && (c.Revision != s.Revision || c.LastOperation != s.LastCommitted())
}

// sameOperation reports whether a state is that of a manager which names itself the store's coordinator, and has the
// same operation as its last, one that all managers voted for.
func sameOperation(s *catalog.Store, there *wire.StoreState) bool {
	c := there.Configuration
	return c != nil && c.Coordinator == there.Manager && c.LastOperation == s.LastCommitted() &&
		wire.VotedByAll(c.LastOperation)
}

// markDeclaredLost records in d that this manager was declared lost (I8). The store goes on without it, so its
// instances on this server stop: they would run a configuration that is no longer the committed one (I3). Their data
// stays until the store is removed here.
func markDeclaredLost(d *catalog.Data, store string) error {
	d.SetName(store, func(n *catalog.Name) { n.DeclaredLost = true })
	if s := d.Stores[store]; s != nil {
		for _, l := range s.Local {
			l.Desired = wire.DesiredStopped
		}
	}
	return nil
}

// ResolveStore runs Resolve and reconcile for one store immediately, and returns the resulting state. Coordinator is
// the URL of the store's coordinator, for a manager that has lost its vote and does not know the store, or that has a
// wrong address of it; it may be empty. The error says that the coordinator did not answer: then nothing is decided
// here (I1).
func (m *Participant) ResolveStore(ctx context.Context, store, coordinator string) (wire.StoreState, error) {
	if err := m.expireLeases(); err != nil {
		return wire.StoreState{}, err
	}
	if err := m.recoverLostVote(ctx, store, coordinator); err != nil {
		return wire.StoreState{}, err
	}
	if m.Doubtful(store) {
		_ = m.heal(ctx, store) // the state says why it is not healed
	}
	d := m.Catalog.Snapshot()
	n := d.Name(store)
	// A replacement that has begun is left alone (I8): it decides both the operation and the configuration.
	// The decision comes first: while the operation is prepared, isBehind takes no configuration.
	if n.Prepared != nil && !m.coordinates(n.Prepared) && n.Replacing == "" {
		if err := m.followCoordinator(ctx, n.Prepared); err != nil {
			return wire.StoreState{}, coordinatorSilent(err)
		}
	}
	if s := d.Stores[store]; s != nil && s.Coordinator != "" && s.Coordinator != m.self() {
		q := m.question(d, store, wire.Manager{Identity: s.Coordinator})
		there, err := m.Peers.State(ctx, urlOf(s.Managers, s.Coordinator), store, q)
		// This manager may have a wrong address of the coordinator.
		if coordinator != "" && (err != nil || there.Manager != s.Coordinator) {
			if given, e := m.Peers.State(ctx, coordinator, store, q); e == nil {
				there, err = given, nil
			}
		}
		if err != nil {
			return wire.StoreState{}, coordinatorSilent(err)
		}
		// To the caller that is the same as silence: this coordinator does not give the decision.
		if there.Suspect {
			return wire.StoreState{}, coordinatorSilent(fmt.Errorf("%s had to fall back to an older catalog, and decides nothing", urlOf(s.Managers, s.Coordinator)))
		}
		if err := m.reconcileStore(store, &there); err != nil {
			return wire.StoreState{}, err
		}
	}
	return m.State(store)
}

// coordinatorSilent refuses to report a state while the coordinator's decision is not known.
func coordinatorSilent(err error) *wire.Result {
	return wire.RefuseCoordinatorSilent.With(err)
}

// reconcileEvery is how many rounds lie between two comparisons with the other managers.
const reconcileEvery = 12

// Run calls Resolve at the given interval and reconcile at twelve times the interval, both of them first at once, until
// ctx is done. Neither waits for the other: reconciling takes long if many managers are silent, and an expired lease or
// a decision must not wait for that. Both may run at the same time, since each changes the catalog in updates that
// check their conditions again. Failed is called with an error, and not again until the error changes; it must allow
// concurrent calls.
func (m *Participant) Run(ctx context.Context, every time.Duration, failed func(error)) {
	var both sync.WaitGroup
	both.Go(func() { repeat(ctx, every, m.Resolve, failed) })
	both.Go(func() { repeat(ctx, reconcileEvery*every, m.reconcile, failed) })
	both.Wait()
}

// repeat calls do at once and at the given interval, until ctx is done.
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
			if said = shortened(err); said != last {
				failed(errors.New(said))
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

// maxNamed is the number of joined errors that the text of a failed round has.
const maxNamed = 3

// shortened returns the text of an error. Of joined errors it has the first ones and the number of the others: there
// may be one for each of thousands of managers.
func shortened(err error) string {
	lines := strings.Split(err.Error(), "\n")
	if more := len(lines) - maxNamed; more > 0 {
		lines = append(lines[:maxNamed], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "; ")
}
