package model

// repair emits what repairer r can do: fence every survivor, then decide at each of them.
func (w *walk) repair(r int) {
	p := w.from.repairers[r]
	lost := of(w.lost)
	if p.asked == 0 {
		t := w.from
		t.repairers[r].asked = w.sessions[r]
		w.emit(t, label{"repair begins", r, 0})
		return
	}
	for i := range managers {
		if m := &w.from.managers[i]; p.asked.has(i) && !m.silent {
			if !p.deciding && !p.answered.has(i) {
				w.fence(r, i)
			}
			if p.deciding && (m.repairing == lost || w.noFence && !m.fenced.has(w.lost)) {
				t := w.from
				w.decide(&t, i, w.lost, p.committed, p.suspect)
				w.emit(t, label{"is decided by the repair", i, m.prepared})
			}
		}
	}
	if !p.deciding && (p.asked == p.answered || w.someSurvivors && p.answered != 0) {
		t := w.from
		t.repairers[r].deciding = true
		w.emit(t, label{"repair decides", r, 0})
	}
}

// fence makes survivor i deaf to the lost coordinator, and tells the repair what it has.
func (w *walk) fence(r, i int) {
	m := &w.from.managers[i]
	if m.prepared != 0 && w.coordinatorOf(m.prepared) != w.lost {
		return // busy: to be settled with that coordinator first
	}
	h := &w.from.managers[w.lost]
	holds := m.prepared != 0 || m.suspect && !w.suspectFences
	if holds && !w.falseWord && !w.silenceNotNeeded && !w.gone(h) {
		return // the coordinator was heard too lately
	}
	t := w.from
	v := &t.managers[i]
	if !v.fenced.has(w.lost) && !w.noFence {
		v.repairing = of(w.lost)
		v.declared |= of(w.lost)
	}
	p := &t.repairers[r]
	p.answered |= of(i)
	if v.suspect && !w.suspectCoordinator {
		p.suspect |= of(i)
	}
	p.committed |= 1 << v.committed
	p.asked |= v.members &^ of(w.lost)
	if m.prepared != 0 && !w.recordedSurvivors {
		p.asked |= w.of(m.prepared).participants() &^ of(w.lost)
	}
	w.emit(t, label{"is fenced", i, m.prepared})
}

// gone reports whether the coordinator has been silent for longer than a change of its own stays pending.
func (w *walk) gone(h *manager) bool {
	return h.silent && (h.prepared == 0 || w.coordinatorOf(h.prepared) != w.lost || h.late)
}

// decide ends the repair at survivor i: forward what a survivor has committed, else back. The new coordinator
// is the smallest identity that has not lost a write.
func (w *walk) decide(t *state, i, lost int, committed uint8, suspect set) {
	m := &t.managers[i]
	m.fenced |= of(lost)
	m.declared |= of(lost)
	m.repairing = 0
	if m.prepared != 0 && w.coordinatorOf(m.prepared) == lost {
		if committed>>m.prepared&1 == 1 {
			w.apply(t, i, m.prepared)
		} else {
			drop(m)
		}
	}
	if w.nothingUnfences && w.absent(m) {
		m.fenced = 0
	}
	m.members &^= of(lost)
	m.coordinator = int8((m.members &^ suspect).first())
}
