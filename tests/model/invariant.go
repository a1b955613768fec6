package model

// check returns the invariant that w.from breaks, or "". Invariants about a transition are checked in the transitions.
func (w *walk) check() string {
	s := &w.from
	lost := s.lost()
	var didCommit, didAbort uint8
	for i := range s.managers {
		if !lost.has(i) {
			didCommit |= s.managers[i].committedAttempts
			didAbort |= s.managers[i].abortedAttempts
		}
	}
	if didCommit&didAbort != 0 {
		return "I1: an operation is committed at one manager and aborted at another"
	}
	if w.patient && w.allAborted() {
		return "I6: of two runners with the same managers neither wins"
	}
	return w.converges()
}

func (w *walk) allAborted() bool {
	for o := range w.runners {
		if p := w.from.runners[o].phase; p != aborting && p != backward {
			return false
		}
	}
	return true
}

// converges resolves what is in doubt in a copy of the state. It returns I5 if managers of one store still differ, else
// the invariant that a step of the resolving broke, else "".
func (w *walk) converges() string {
	broken, chose := w.convergesBy(false)
	if chose && broken == "" {
		broken, _ = w.convergesBy(true)
	}
	return broken
}

// convergesBy is converges with the choice of the person who decides what nobody knows: to commit it, or to abort it.
// It reports whether the choice mattered.
func (w *walk) convergesBy(commits bool) (broken string, chose bool) {
	quiet := *w
	t := quiet.from
	chose = quiet.resolveAll(&t, commits)
	lost := t.lost() | t.silent()
	for i := range t.managers {
		m := &t.managers[i]
		if lost.has(i) || m.committed == 0 {
			continue
		}
		p := w.of(m.committed)
		for j := range t.managers {
			other := t.managers[j].committed
			if lost.has(j) {
				continue
			}
			if p.kind == remove && p.participants().has(j) && other == p.base ||
				p.kind != remove && p.result().has(j) && (other != m.committed || t.managers[j].altered != m.altered) {
				return "I5: managers of one store differ after recovery", chose
			}
		}
	}
	return quiet.broken, chose
}

// lost returns the managers that were wiped or declared lost. A declaration counts only if it comes from a manager that
// is not lost itself.
func (s *state) lost() (lost set) {
	var declaredBy [managers]set
	for i := range s.managers {
		m := &s.managers[i]
		for j := range s.managers {
			if m.declared.has(j) {
				declaredBy[j] |= of(i)
			}
		}
		if m.wiped {
			lost |= of(i)
		}
	}
	var counted set
	for again := true; again; {
		again = false
		for i := range s.managers {
			if !(lost | counted).has(i) && declaredBy[i]&^lost == 0 {
				counted |= of(i)
				lost |= s.managers[i].declared
				again = true
			}
		}
	}
	return lost
}

// silent returns the managers that don't answer.
func (s *state) silent() (silent set) {
	for i := range s.managers {
		if s.managers[i].silent {
			silent |= of(i)
		}
	}
	return silent
}

// resolveAll applies to a state what the managers and a replacement do once nothing else happens: coordinators abort
// their prepared operations, participants ask them, a replacement decides where the coordinator is lost, and managers
// that lost a write take the configuration from the coordinator.
//
// A suspect coordinator heals first. It reports whether a person had to decide.
func (w *walk) resolveAll(t *state, commits bool) (chose bool) {
	if w.noCommitPoint || w.naive {
		return false
	}
	silent := t.silent()
	chose = w.healAll(t, silent, commits)
	prepared := func(f func(i, coordinator int, m *manager)) {
		for i := range t.managers {
			if m := &t.managers[i]; m.prepared != 0 && !silent.has(i) {
				f(i, w.coordinatorOf(m.prepared), m)
			}
		}
	}
	prepared(func(i, coordinator int, m *manager) {
		if i == coordinator && !m.suspect {
			abortPrepared(m)
		}
	})
	prepared(func(i, coordinator int, m *manager) {
		switch {
		case silent.has(coordinator) || t.managers[coordinator].suspect || w.ignoresCoordinator(m, i, m.prepared):
		case t.managers[coordinator].committed == m.prepared:
			w.commitAs(t, i, &t.managers[coordinator])
		default:
			abortPrepared(m)
		}
	})
	w.allCatchUp(t, silent)
	for i := range t.managers {
		m := &t.managers[i]
		if coordinator := w.leader(t, i); m.suspect && coordinator >= 0 && silent.has(coordinator) {
			t.repairWithout(coordinator, silent)
		} else if m.replacing != 0 && !silent.has(i) {
			t.repairWithout(m.replacing.first(), silent)
		}
	}
	prepared(func(i, coordinator int, _ *manager) {
		if i == coordinator { // it is suspect and declared lost
			return
		}
		w.decide(t, i, coordinator, t.records(silent|t.lost()|of(coordinator)), w.suspects(t))
	})
	for i := range t.managers {
		m := &t.managers[i]
		if m.replacing != 0 && !silent.has(i) {
			w.decide(t, i, m.replacing.first(), 0, w.suspects(t))
		}
	}
	w.allCatchUp(t, silent)
	return chose
}

// repairWithout makes all remaining managers of a store promise to ignore its lost coordinator.
func (s *state) repairWithout(coordinator int, silent set) {
	for i := range s.managers {
		m := &s.managers[i]
		if i != coordinator && !silent.has(i) &&
			(int(m.coordinator) == coordinator || m.coordinator < 0 && s.managers[coordinator].members.has(i)) {
			m.replacing = of(coordinator)
		}
	}
}

// allCatchUp lets managers that lost a write, or have another content, follow their coordinators, unless they ignore
// them.
func (w *walk) allCatchUp(t *state, silent set) {
	for i := range t.managers {
		m := &t.managers[i]
		coordinator := w.leader(t, i)
		if (m.suspect || w.differs(t, i)) && coordinator >= 0 && coordinator != i && !silent.has(i) && !w.noCatchUp {
			w.follow(&t.managers[coordinator], m, i)
		}
	}
}

// records returns the last operations of all managers but these.
func (s *state) records(without set) (committed uint8) {
	for i := range s.managers {
		if !without.has(i) {
			committed |= 1 << s.managers[i].committed
		}
	}
	return committed
}

// suspects returns the managers that a replacement must not make the coordinator.
func (w *walk) suspects(s *state) (suspect set) {
	for i := range s.managers {
		if s.managers[i].suspect && !w.suspectCoordinator {
			suspect |= of(i)
		}
	}
	return suspect
}
