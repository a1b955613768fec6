package twophase

import (
	"context"
	"slices"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// A coordinator replacement has two phases, like a commit, and the operator's runner drives them. FenceCoordinator
// makes every survivor promise, durably, to ignore the lost coordinator, and collects their states. ReplaceCoordinator
// then decides by those states. All survivors must promise before anything is decided: a single one that still followed
// the lost coordinator could commit what the others abort (I1).
//
// A driver that dies between the phases leaves names with Replacing set. Nothing is voted for or decided there until
// the repair is called again, which finds the promises and completes it.

// coordinatorGrace is the time beyond the lease for which a coordinator must have been silent before it may be declared
// lost. It covers the interval at which participants query it: a coordinator that was suspended right after its
// driver's last renewal finds the lease expired before its survivors promise to ignore it (I8, see Commit).
const coordinatorGrace = 10 * time.Second

// maxFenced is the maximum number of managers that are recorded as lost for one name.
const maxFenced = 64

// FenceCoordinator is the first phase of a replacement: it durably records that this manager ignores the decisions of
// the lost coordinator from now on. The answer is this manager's state of the store. What the replacement decides about
// stays true until ReplaceCoordinator: prepare, commit, abort and recovery all refuse or skip the name while Replacing
// is set. It refuses while the last contact with the coordinator is recent (checkLastContact). Repeating it changes
// nothing.
func (m *Participant) FenceCoordinator(ctx context.Context, store string,
	f wire.FenceRequest) (wire.StoreState, error) {
	if p := m.Catalog.Snapshot().Name(store).Prepared; p != nil && p.Coordinator == f.Lost && !m.coordinates(p) {
		// If the coordinator answers after all, this applies its decision and records the contact.
		_ = m.followCoordinator(ctx, p)
	}
	err := m.Catalog.Update(func(d *catalog.Data) error {
		n := d.Name(store)
		s := d.Named(store)
		switch {
		case f.Lost == m.self():
			return wire.Refuse(wire.CodeBadRequest, "lost: this manager is %s, and it answers", m.self())
		case n.DeclaredLost:
			return wire.RefuseLostBefore.With(store)
		case n.Replacing == f.Lost, slices.Contains(n.Fenced, f.Lost):
			return nil // promised before: the request is repeated, or the replacement is complete here already
		// Another coordinator of this name is being replaced. Deciding about two at once could use states that the
		// first replacement is about to change.
		case n.Replacing != "":
			return wire.RefuseReplacementUnfinished.With(store, n.Replacing)
		// Only a coordinator can have made decisions that no other manager knows. A lost participant needs no
		// replacement.
		case s != nil && s.Coordinator != f.Lost && n.Prepared == nil:
			return wire.RefuseNotCoordinator.With(store, s.Coordinator, f.Lost)
		// This vote belongs to another coordinator, which decides it.
		case n.Prepared != nil && n.Prepared.Coordinator != f.Lost:
			return Busy(n.Prepared)
		}
		// A survivor that was itself declared lost may have an outdated state, and must not take part (I8).
		for _, survivor := range f.Survivors {
			if slices.Contains(n.Fenced, survivor) {
				return wire.RefuseLostSurvivor.With(survivor, store)
			}
		}
		if r := m.checkLastContact(d, store, f.Lost); r != nil {
			return r
		}
		if len(n.Fenced) >= maxFenced {
			return wire.RefuseFencesFull.With(store, len(n.Fenced))
		}
		// This manager has no record of the name about which the lost coordinator or the replacement could decide, so
		// the coordinator is recorded as fenced at once, and other coordinators may still use the name: a promise that no
		// replacement follows must not block it. The promise is needed (I5): a prepare of the lost coordinator may arrive
		// late, and this manager's vote could be the last one that it waits for. A suspect manager may have lost a vote,
		// and waits for the decision like one that has it.
		if s == nil && n.Prepared == nil && !m.isSuspect(d, store) {
			if gone := d.FencedGone(); gone >= catalog.MaxFencedGone && len(n.Fenced) == 0 {
				return wire.Refuse(wire.CodeCatalogFull,
					"managers are recorded as lost for %d names without a store, which is the most", gone)
			}
			d.NeedRoom()
			d.SetName(store, func(n *catalog.Name) { n.Fenced = append(slices.Clone(n.Fenced), f.Lost) })
			return nil
		}
		// I8: from this durable write on no decision of the lost coordinator counts here. A crash before it leaves the
		// coordinator in charge; a crash after it leaves the promise, which holds after the restart.
		d.SetName(store, func(n *catalog.Name) { n.Replacing = f.Lost })
		return nil
	})
	if err != nil {
		return wire.StoreState{}, err
	}
	return m.State(store)
}

// checkLastContact refuses the promise to ignore a coordinator that this manager has heard from within the lease and
// coordinatorGrace, while this manager has a vote, or may have lost one, that the coordinator can still decide. Without
// a vote of this manager nothing can be committed, so then there is nothing to wait for.
func (m *Participant) checkLastContact(d *catalog.Data, store, lost string) *wire.Result {
	silence := m.ExpireAfter + coordinatorGrace
	if p := d.Name(store).Prepared; p != nil {
		silence = min(silence, m.sinceContact(p.ID))
	}
	if m.isSuspect(d, store) {
		silence = min(silence, m.sinceContact(suspectKey(store)))
	}
	if silence >= m.ExpireAfter+coordinatorGrace {
		return nil
	}
	return wire.RefuseCoordinatorAlive.With(lost, silence.Round(time.Second), m.ExpireAfter+coordinatorGrace)
}

// ReplaceCoordinator is the second phase. An operation of the lost coordinator that any survivor has committed is
// committed here, any other is aborted; the store gets the new coordinator and continues without the lost one. All of
// it is one durable write: a crash leaves the promise of the first phase, or the completed replacement.
func (m *Participant) ReplaceCoordinator(store string, f wire.DecideRequest) (wire.StoreState, error) {
	err := m.Catalog.Update(func(d *catalog.Data) error {
		// A late or repeated request finds the promise gone, and must not undo later changes.
		if d.Name(store).Replacing != f.Lost {
			return nil
		}
		// The new coordinator must keep the store, since every later operation compares its base there (I6).
		if s := d.Named(store); s != nil && !hasManager(s.Managers, f.Coordinator) {
			return wire.Refuse(wire.CodeBadRequest, "home: %q does not keep %s", f.Coordinator, store)
		}
		if p := d.Name(store).Prepared; p != nil && p.Coordinator == f.Lost {
			// I1 and I5: what any survivor has committed is committed on all, everything else is aborted on all. The
			// list comes from states that can't change any more, since every survivor has promised. A commit that only
			// the lost coordinator has made is discarded; that is the exception in I4, and no driver reported it as
			// committed on all managers.
			committed := slices.Contains(f.Committed, p.ID)
			if committed {
				m.installOperation(d, p)
			}
			d.RecordDecision(decisionOf(p, committed), m.Now())
		}
		// Every survivor makes the same change of managers and coordinator, so they stay alike without a new revision
		// (I5).
		if s := d.Named(store); s != nil {
			s.Managers = slices.DeleteFunc(slices.Clone(s.Managers), func(w wire.Manager) bool { return w.Identity == f.Lost })
			s.Coordinator = f.Coordinator
		}
		// I8: the promise becomes permanent. It is kept for the name even without a store, since a prepare from the
		// lost coordinator's time may arrive later.
		d.SetName(store, func(n *catalog.Name) {
			n.Replacing, n.Fenced = "", append(slices.Clone(n.Fenced), f.Lost)
		})
		return nil
	})
	if err != nil {
		return wire.StoreState{}, err
	}
	return m.State(store)
}
