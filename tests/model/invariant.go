package model

// check holds the invariants that are about one state; those about one step are in the steps
// themselves. It returns what is broken, or nothing.
func (w *walk) check() string {
	s := &w.from
	var lost set
	for i := range s.managers {
		lost |= s.managers[i].fenced | s.managers[i].repairing
		if s.managers[i].wiped {
			lost |= of(i)
		}
	}
	var did, dropped uint8
	for i := range s.managers {
		if !lost.has(i) {
			did |= s.managers[i].committal
			dropped |= s.managers[i].abortion
		}
	}
	if did&dropped != 0 {
		return "I1: an operation is committed at one manager and aborted at another"
	}
	if w.patient && w.allGaveUp() {
		return "I6: of two runners with the same managers neither wins"
	}
	return w.converges(lost)
}

func (w *walk) allGaveUp() bool {
	for o := range w.runners {
		if p := w.from.runners[o].phase; p != aborting && p != backward {
			return false
		}
	}
	return true
}

// converges settles a copy of the state as resolvers and repair would, with nothing else going on, and
// says where the managers of a store then differ.
func (w *walk) converges(lost set) string {
	for i := range w.from.managers {
		if w.from.managers[i].silent {
			lost |= of(i)
		}
	}
	quiet := *w
	t := quiet.from
	quiet.settle(&t, lost)
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
				p.kind != remove && p.result().has(j) && other != m.committed {
				return "I5: managers of one store differ after the repair"
			}
		}
	}
	return quiet.broken
}

// settle ends what is pending, the homes first, and lets who missed something catch up.
func (w *walk) settle(t *state, lost set) {
	if w.noCommitPoint || w.naive {
		return
	}
	var committed uint8
	for i := range t.managers {
		m := &t.managers[i]
		if !lost.has(i) {
			committed |= 1 << m.committed
			if m.pending != 0 && w.homeOf(m.pending) == i {
				drop(m)
			}
		}
	}
	for i := range t.managers {
		m := &t.managers[i]
		if m.pending == 0 || lost.has(i) {
			continue
		}
		if home := w.homeOf(m.pending); lost.has(home) {
			w.decide(t, i, home, committed)
		} else if t.managers[home].committed == m.pending {
			w.apply(t, i, m.pending)
		} else {
			drop(m)
		}
	}
	for i := range t.managers {
		if m := &t.managers[i]; m.suspect && m.home >= 0 && !lost.has(i) && !w.noCatchUp {
			follow(&t.managers[m.home], m, i)
		}
	}
}
