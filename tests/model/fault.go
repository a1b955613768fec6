package model

// fault adds the successor states after each fault that can happen at manager i.
func (w *walk) fault(i int) {
	if m := &w.from.managers[i]; w.lossy.has(i) && !m.wiped {
		if m.silent {
			w.comeBack(i)
		} else {
			t := w.from
			t.managers[i].silent = true
			if i == 0 && !w.answersKept { // it decides within a lease after it has asked, or asks again
				t.healing.answers, t.healing.deciding = [managers]answer{}, false
			}
			w.emit(t, label{"falls silent", i, 0})
		}
		w.weakDisk(i)
	}
	if m := &w.from.managers[i]; w.removedAlone.has(i) && m.prepared == 0 && m.committed > runs && !m.silent {
		t := w.from
		v := &t.managers[i]
		v.committed, v.members, v.coordinator = 0, 0, -1
		w.emit(t, label{"its store is removed separately", i, 0})
	}
	w.dropRecords(i)
	// A disk loses the last write, here a vote. If a promise was written after it, the promise would be the last one.
	if i == 0 && w.from.failed { // once: that bounds the states
		return
	}
	if m := w.from.managers[i]; w.losesWrites.has(i) && m.prepared != 0 && m.replacing == 0 && !m.suspect {
		t := w.from
		v := &t.managers[i]
		v.prepared, v.preparedEpoch, v.epoch, v.suspect = 0, 0, v.epoch-1, !w.suspectVotes
		w.failed(&t, i, label{"its disk loses the vote", i, m.prepared})
	}
	if m := w.from.managers[i]; w.losesWrites.has(i) && m.prepared == 0 && m.replacing|m.fenced == 0 && !m.suspect {
		w.loseEnd(i)
	}
	// An older copy of the catalog is restored: any number of writes are lost.
	if m := &w.from.managers[i]; w.restores.has(i) && !m.suspect && m.replacing == 0 {
		var start state
		for j := range start.managers {
			start.managers[j].coordinator = -1
		}
		if w.system.start != nil {
			w.system.start(&start)
		}
		t := w.from
		silent := m.silent
		t.managers[i] = start.managers[i]
		t.managers[i].suspect, t.managers[i].silent = true, silent
		if t.managers[i] != *m {
			w.failed(&t, i, label{"an older copy of its catalog is restored", i, 0})
		}
	}
}

// failed adds a successor in which the disk of manager i has lost writes.
func (w *walk) failed(t *state, i int, l label) {
	if i == 0 {
		t.failed = true
	}
	w.emit(*t, l)
}

// loseEnd adds the successor state in which manager i has lost its last write, if that was the commit or the abort of
// an operation that it had voted for.
func (w *walk) loseEnd(i int) {
	m := &w.from.managers[i]
	if o := m.committed; o != 0 && int(o) <= w.runners && w.view(m).committedEpoch == m.epoch {
		t := w.from
		v := &t.managers[i]
		v.committed, v.members, v.coordinator = w.of(o).base, 0, -1
		if v.committed != 0 {
			v.members, v.coordinator = w.of(v.committed).result(), int8(w.coordinatorOf(o))
		}
		v.prepared, v.preparedEpoch, v.suspect = o, v.epoch, true
		v.everCommitted &^= 1 << o
		v.committedAttempts &^= attempt(o, v.epoch)
		w.failed(&t, i, label{"its disk loses the commit", i, o})
	}
	for o := op(1); int(o) <= w.runners; o++ {
		if m.epoch > 0 && m.abortedAttempts&attempt(o, m.epoch) != 0 {
			t := w.from
			v := &t.managers[i]
			v.prepared, v.preparedEpoch, v.suspect = o, v.epoch, true
			v.abortedAttempts &^= attempt(o, v.epoch)
			w.failed(&t, i, label{"its disk loses the abort", i, o})
		}
	}
}

// comeBack adds the successor states in which a silent manager continues, with or without an expired lease, and in
// which it restarts.
func (w *walk) comeBack(i int) {
	m := &w.from.managers[i]
	t := w.from
	t.managers[i].silent = false
	w.emit(t, label{"continues", i, 0})
	if m.prepared == 0 || m.suspect || w.coordinatorOf(m.prepared) != i {
		return // a suspect manager ends no lease, and aborts nothing when it restarts
	}
	if !m.expired {
		t := w.from
		t.managers[i].expired = true
		w.emit(t, label{"its lease expires", i, m.prepared})
	}
	if w.restartKeeps {
		t.managers[i].expired = false
		w.emit(t, label{"restarts and keeps the prepared operation", i, m.prepared})
		return
	}
	abortPrepared(&t.managers[i])
	w.emit(t, label{"restarts and aborts its prepared operation", i, m.prepared})
}

// weakDisk adds the successor states after those faults of a disk after which the protocol treats a coordinator as
// silent; a weakened protocol does not.
func (w *walk) weakDisk(i int) {
	m := &w.from.managers[i]
	if w.wipedCoordinatorBelieved {
		t := w.from
		t.managers[i].silent, t.managers[i].wiped = true, true
		w.emit(t, label{"is replaced by an empty manager", i, 0})
	}
	if o := m.committed; w.rolledBackCoordinatorServes && o != 0 && o <= runs && w.coordinatorOf(o) == i &&
		m.prepared == 0 {
		t := w.from
		v := &t.managers[i]
		v.committed, v.members, v.coordinator = w.of(o).base, 0, -1
		if v.committed != 0 {
			v.members, v.coordinator = w.of(v.committed).result(), m.coordinator
		}
		v.prepared, v.preparedEpoch = o, v.epoch
		v.everCommitted &^= 1 << o
		w.emit(t, label{"its disk loses the commit", i, o})
	}
}

// dropRecords adds the successor state in which manager i has dropped its records of the name, because it has too many
// names without a store. A prepared operation and a promise are never dropped, and the epoch stays.
func (w *walk) dropRecords(i int) {
	m := &w.from.managers[i]
	if !w.drops.has(i) || m.silent || m.suspect || !w.absent(m) || m.prepared != 0 || m.replacing != 0 ||
		m.fenced != 0 && !w.fenceForgotten {
		return
	}
	t := w.from
	v := &t.managers[i]
	v.committed, v.everCommitted, v.fenced = 0, 0, 0
	if w.epochForgotten {
		v.epoch = 0
	}
	if t != w.from {
		w.emit(t, label{"drops its records of the name", i, 0})
	}
}
