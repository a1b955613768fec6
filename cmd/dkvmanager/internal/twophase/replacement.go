package twophase

import (
	"context"
	"slices"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// coordinatorGrace is how much longer than an operation lives its coordinator has to have been silent before it may be
// declared lost.
const coordinatorGrace = 10 * time.Second

// FenceCoordinator is the first half of a repair: from now on nothing is decided by the word of a home that is lost.
// The answer, what this manager has of the store, stays true until Decide. It refuses while the coordinator
// gives signs of life. Again it is the same.
func (m *Participant) FenceCoordinator(ctx context.Context, store string, f wire.FenceRequest) (wire.StoreState, error) {
	if p := m.Catalog.Snapshot().Name(store).Prepared; p != nil && p.Coordinator == f.Lost && !m.coordinates(p) {
		_ = m.followCoordinator(ctx, p) // a coordinator that answers settles it, and is heard
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
			return nil
		case n.Replacing != "":
			return wire.RefuseReplacementUnfinished.With(store, n.Replacing)
		case s != nil && s.Coordinator != f.Lost && n.Prepared == nil:
			return wire.RefuseNotCoordinator.With(store, s.Coordinator, f.Lost)
		case n.Prepared != nil && n.Prepared.Coordinator != f.Lost:
			return Busy(n.Prepared)
		}
		for _, survivor := range f.Survivors {
			if slices.Contains(n.Fenced, survivor) {
				return wire.RefuseLostSurvivor.With(survivor, store)
			}
		}
		if r := m.checkLastContact(d, store, f.Lost); r != nil {
			return r
		}
		// I8: from this durable write on no decision of the lost coordinator counts here.
		d.SetName(store, func(n *catalog.Name) { n.Replacing = f.Lost })
		return nil
	})
	if err != nil {
		return wire.StoreState{}, err
	}
	return m.State(store)
}

// checkLastContact refuses to take a coordinator for lost that may have decided, not long ago, about something that
// this manager voted for, or may have voted for.
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

// ReplaceCoordinator is the second half: what any survivor had committed of the lost home's operations goes forward,
// the rest is dropped; the store gets another coordinator and goes on without the lost one. What comes late, or
// again, changes nothing.
func (m *Participant) ReplaceCoordinator(store string, f wire.DecideRequest) (wire.StoreState, error) {
	err := m.Catalog.Update(func(d *catalog.Data) error {
		if d.Name(store).Replacing != f.Lost {
			return nil
		}
		if s := d.Named(store); s != nil && !hasManager(s.Managers, f.Coordinator) {
			return wire.Refuse(wire.CodeBadRequest, "home: %q does not keep %s", f.Coordinator, store)
		}
		if p := d.Name(store).Prepared; p != nil && p.Coordinator == f.Lost {
			// I1 and I5: what any survivor has committed is committed on all, everything else is aborted on all.
			committed := slices.Contains(f.Committed, p.ID)
			if committed {
				m.installOperation(d, p)
			}
			d.RecordDecision(decisionOf(p, committed), m.Now())
		}
		if s := d.Named(store); s != nil {
			s.Managers = slices.DeleteFunc(slices.Clone(s.Managers), func(w wire.Manager) bool { return w.Identity == f.Lost })
			s.Coordinator = f.Coordinator
		}
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
