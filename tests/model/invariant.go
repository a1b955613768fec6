package model

// check holds the invariants that are about one state; those about one step are in the steps
// themselves. It returns what is broken, or nothing.
func (w *walk) check() string {
	s := &w.from
	lost := s.lost()
	var did, dropped uint8
	for i := range s.managers {
		if !lost.has(i) {
			did |= s.managers[i].committedAttempts
			dropped |= s.managers[i].abortedAttempts
		}
	}
	if did&dropped != 0 {
		return "I1: an operation is committed at one manager and aborted at another"
	}
	if w.patient && w.allGaveUp() {
		return "I6: of two runners with the same managers neither wins"
	}
	return w.converges()
}

func (w *walk) allGaveUp() bool {
	for o := range w.runners {
		if p := w.from.runners[o].phase; p != aborting && p != backward {
			return false
		}
	}
	return true
}

// converges settles a copy of the state and says where the managers of a store then differ.
func (w *walk) converges() string {
	quiet := *w
	t := quiet.from
	quiet.settle(&t)
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
				p.kind != remove && p.result().has(j) && other != m.committed {
				return "I5: managers of one store differ after the repair"
			}
		}
	}
	return quiet.broken
}
