package model

// alone emits what manager i does without a runner.
func (w *walk) alone(i int) {
	m := &w.from.managers[i]
	if m.suspect {
		w.catchUp(i)
		return
	}
	o := m.prepared
	if o == 0 || o > runs || w.patient {
		return
	}
	coordinator := w.coordinatorOf(o)
	if i == coordinator || w.expiryAnywhere {
		w.expire(i)
	}
	if i == coordinator || w.noCommitPoint {
		return
	}
	if w.voteBeforeSync {
		t := w.from
		t.managers[i].prepared = 0
		w.emit(t, label{"crashes before its vote was durable", i, o})
	}
	if w.closed(m, i, o) && !w.fencedCoordinatorBelieved {
		return
	}
	w.ask(o, i, coordinator)
}

// expire is the coordinator's: the deadline passes, then the change is dropped.
func (w *walk) expire(i int) {
	t := w.from
	m := &t.managers[i]
	o := m.prepared
	if !m.late && w.lossy.has(i) {
		m.late = true
		w.emit(t, label{"its deadline passes", i, o})
		return
	}
	drop(m)
	w.emit(t, label{"expires", i, o})
}

// ask is the resolver of manager i. "Pending" changes nothing, "committed" is final whenever it
// arrives; "aborted" is a message of its own because it can be late.
func (w *walk) ask(o op, i, coordinator int) {
	h := &w.from.managers[coordinator]
	m := &w.from.managers[i]
	wiped := h.wiped && w.wipedCoordinatorBelieved
	if (h.silent || h.prepared == o || h.fenced.has(i) && !w.fencedAsks) && !wiped {
		return // one that is fenced is told no more than that
	}
	t := w.from
	if h.committed == o && !wiped {
		w.apply(&t, i, o)
		w.emit(t, label{"hears from the home: committed", i, o})
		return
	}
	if !w.slow {
		drop(&t.managers[i])
		w.emit(t, label{"hears from the home: aborted", i, o})
		return
	}
	bit := uint16(1) << at(i, m.preparedEpoch)
	if t.answers[o-1]&bit == 0 {
		t.answers[o-1] |= bit
		w.emit(t, label{"asks, and the home says aborted", i, o})
	}
}

// receiveAnswer is the coordinator's "aborted" about one epoch, as it arrives.
func (w *walk) receiveAnswer(o op, i int, epoch uint8) {
	t := w.from
	m := &t.managers[i]
	if m.prepared != o || m.preparedEpoch != epoch && !w.lateAnswerCounts || w.closed(m, i, o) && !w.fencedCoordinatorBelieved {
		return
	}
	drop(m)
	w.emit(t, label{"hears from the home: aborted", i, o})
}

// catchUp follows the coordinator, and gives the manager its vote back.
func (w *walk) catchUp(i int) {
	t := w.from
	m := &t.managers[i]
	coordinator := w.leader(&w.from, i)
	if coordinator < 0 || w.noCatchUp {
		return
	}
	if w.follow(&w.from.managers[coordinator], m, i) {
		w.emit(t, label{"catches up with the home", i, m.committed})
	}
}

// leader is the coordinator that manager i follows, -1 where it follows none. One that lost its vote for a new
// store does not know of it: the coordinator, whose store it keeps, tells it.
func (w *walk) leader(s *state, i int) int {
	m := &s.managers[i]
	coordinator := int(m.coordinator)
	if coordinator < 0 && m.prepared != 0 {
		coordinator = w.coordinatorOf(m.prepared)
	}
	for j := range s.managers {
		if h := &s.managers[j]; m.coordinator < 0 && int(h.coordinator) == j && h.members.has(i) && !w.forgottenStay {
			coordinator = j
		}
	}
	if coordinator < 0 || (m.repairing|m.fenced).has(coordinator) && !w.fencedTells {
		return -1
	}
	return coordinator
}

// follow copies the record of coordinator h to m, which has lost a write, once nothing is pending there; what m
// holds ends as it did at the coordinator.
func (w *walk) follow(h, m *manager, i int) bool {
	record := h.members.has(i) || h.committed != 0 && w.of(h.committed).kind == remove
	if h.silent || h.prepared != 0 || h.repairing != 0 || !record && m.prepared == 0 {
		return false
	}
	if m.prepared != 0 && h.everCommitted>>m.prepared&1 == 1 {
		m.everCommitted |= 1 << m.prepared
		m.committedAttempts |= attempt(m.prepared, m.preparedEpoch)
		m.prepared, m.preparedEpoch, m.late = 0, 0, false
	} else if m.prepared != 0 {
		drop(m)
	}
	if record && h.committed != m.committed {
		m.committed, m.members, m.coordinator = h.committed, h.members, h.coordinator
		m.everCommitted |= 1 << h.committed
	}
	m.epoch, m.suspect = max(m.epoch, h.epoch), false
	return true
}
