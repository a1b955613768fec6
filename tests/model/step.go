package model

// label names a transition: what happened, at which manager (-1: none), of which operation (0: none).
type label struct {
	what    string
	manager int
	op      op
}

// walk collects what can follow one state. A transition copies the state, changes the copy and emits
// it; what must never happen is reported as broken.
type walk struct {
	*system
	from   state
	emit   func(state, label)
	broken string
}

func (w *walk) breaks(invariant string) {
	if w.broken == "" {
		w.broken = invariant
	}
}

// next emits every state that can follow w.from.
func (w *walk) next() {
	for o := op(1); int(o) <= w.runners; o++ {
		w.runner(o)
		for i := range managers {
			if m := &w.from.managers[i]; !m.silent {
				w.receive(o, i)
			}
		}
	}
	for i := range managers {
		if !w.from.managers[i].silent {
			w.alone(i)
		}
		w.fault(i)
	}
	for r := range w.sessions {
		if w.sessions[r] != 0 {
			w.repair(r)
		}
	}
}
