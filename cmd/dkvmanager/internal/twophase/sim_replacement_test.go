package twophase

import (
	"context"
	"time"

	runner "dkvrun/runtime/commit"
	"dkvrun/runtime/wire"
)

// loseCoordinator kills a manager for good in some runs, and lets an operator replace it in the stores that it
// coordinates. In some of them it returns all the same, with its old disk.
func (s *simulation) loseCoordinator() {
	if !s.chance(0.4) {
		return
	}
	m := s.managers[s.rng.IntN(2)] // small identities are coordinators
	if s.victim == s.managers[0] || s.victim == s.managers[1] {
		s.victim = m // a name does not survive the loss of two coordinators at once
	}
	s.after(s.upTo(90*time.Second), func() {
		m.gone = true
		m.kill()
	})
	operator := &process{}
	s.spawn(operator, func() {
		s.sleep(60*time.Second + s.upTo(60*time.Second))
		for range 5 {
			for _, store := range stores {
				s.repair(store, m.disk.identity)
			}
			s.sleep(s.upTo(20 * time.Second))
		}
	})
	if s.chance(0.3) { // the operator's runner dies during the replacement
		s.after(60*time.Second+s.upTo(120*time.Second), operator.kill)
	}
	if s.chance(0.5) {
		s.after(90*time.Second+s.upTo(110*time.Second), func() {
			m.gone = false
			if m.down {
				m.start()
			}
		})
	}
}

// repair does what repair_store{store, lost} does if the lost manager is the store's coordinator.
func (s *simulation) repair(store, lost string) {
	n := network{s, s.managers}
	r := &runner.Recovery{Transport: n, Clock: n, Store: store, Timeout: 20 * time.Second}
	for _, m := range s.managers {
		r.Managers, r.Names = append(r.Managers, m.keeper()), append(r.Names, m.host)
	}
	ctx := context.Background()
	r.Query(ctx)
	w, known := r.Find(lost)
	if !known {
		return
	}
	if out := r.ReplaceCoordinator(ctx, w); out.State == runner.Committed {
		s.outcomes[replaced]++
	}
}

// finishRepairs lets an operator complete the replacements that have begun, as store_status advises.
func (s *simulation) finishRepairs() {
	operator := &process{}
	s.spawn(operator, func() {
		for range 4 {
			for _, store := range stores {
				if lost := s.replacing(store); lost != "" {
					s.repair(store, lost)
				} else if s.suspectCoordinator(store) != "" {
					s.decide(store)
				}
			}
			s.sleep(10 * time.Second)
		}
	})
}

// decide does what repair_store{store, decide} does. It calls the decision a person's for every operation that is
// prepared then, and only one is undecided: for the others the managers must find out what was decided.
func (s *simulation) decide(store string) {
	n, asked := network{s, s.managers}, false
	r := &runner.Recovery{Transport: n, Clock: n, Store: store, Timeout: time.Second}
	for _, m := range s.managers {
		r.Managers, r.Names = append(r.Managers, m.keeper()), append(r.Names, m.host)
		p := m.disk.read(m.disk.durable).Name(store).Prepared
		if p != nil && s.undecided(p.ID, p.Coordinator, p.Managers) {
			s.overruled[p.ID], asked = true, true
		}
	}
	ctx := context.Background()
	r.Query(ctx)
	commits := s.chance(0.5)
	if out := r.Decide(ctx, commits); out.State != runner.Committed || !asked {
		return
	}
	if commits {
		s.outcomes[decidedMake]++
	} else {
		s.outcomes[decidedDrop]++
	}
}

// undecided reports whether all participants but the coordinator hold an operation prepared.
func (s *simulation) undecided(id, coordinator string, participants []wire.Manager) bool {
	for _, m := range s.managers {
		if p := m.disk.read(m.disk.durable).Prepared(id); m.disk.identity != coordinator &&
			hasManager(participants, m.disk.identity) && p == nil {
			return false
		}
	}
	return true
}

// suspectCoordinator returns a suspect manager that coordinates the store or a prepared operation of it, or "". Such a
// manager counts as lost.
func (s *simulation) suspectCoordinator(store string) string {
	for _, m := range s.managers {
		d := m.disk.read(m.disk.durable)
		p, c := d.Name(store).Prepared, d.Stores[store]
		for _, coordinator := range s.managers {
			decides := p != nil && p.Coordinator == coordinator.disk.identity ||
				c != nil && c.Coordinator == coordinator.disk.identity
			if decides && !s.lost[store][m.disk.identity] &&
				coordinator.participant.isSuspect(coordinator.disk.Snapshot(), store) {
				return coordinator.disk.identity
			}
		}
	}
	return ""
}

// replacing returns the coordinator that any manager has promised to ignore and that is not replaced there yet, or "".
func (s *simulation) replacing(store string) string {
	for _, m := range s.managers {
		if n := m.disk.read(m.disk.durable).Name(store); n.Replacing != "" {
			return n.Replacing
		}
	}
	return ""
}
