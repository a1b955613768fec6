package model

// ownSteps adds the successors after steps that manager i takes without a runner.
func (w *walk) ownSteps(i int) {
	m := &w.from.managers[i]
	if w.heals(&w.from, i) {
		w.heal(i)
		return
	}
	if m.suspect || w.differs(&w.from, i) {
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
	if w.ignoresCoordinator(m, i, o) && !w.fencedCoordinatorBelieved {
		return
	}
	w.queryCoordinator(o, i, coordinator)
}

// expire adds the successor in which manager i aborts at the end of its lease. In scenarios with faults of manager i
// (lossy), the end of the lease is a separate step before the abort. Without a weakness only the coordinator gets here.
func (w *walk) expire(i int) {
	t := w.from
	m := &t.managers[i]
	o := m.prepared
	if !m.expired && w.lossy.has(i) {
		m.expired = true
		w.emit(t, label{"its lease expires", i, o})
		return
	}
	abortPrepared(m)
	w.emit(t, label{"aborts at the end of the lease", i, o})
}

// queryCoordinator adds the successor after the query of a participant in doubt. The answer "prepared" changes nothing,
// and "committed" is final whenever it arrives. "Aborted" is a separate message, since it can arrive late.
func (w *walk) queryCoordinator(o op, i, coordinator int) {
	h := &w.from.managers[coordinator]
	m := &w.from.managers[i]
	wiped := h.wiped && w.wipedCoordinatorBelieved
	if (h.silent || h.suspect || h.prepared == o || h.fenced.has(i) && !w.fencedManagerAnswered) && !wiped {
		return // a manager that the coordinator has declared lost learns only that
	}
	t := w.from
	if h.committed == o && !wiped {
		w.commitAs(&t, i, h)
		w.emit(t, label{"learns from the coordinator: committed", i, o})
		return
	}
	if !w.slow {
		abortPrepared(&t.managers[i])
		w.emit(t, label{"learns from the coordinator: aborted", i, o})
		return
	}
	bit := uint16(1) << at(i, m.preparedEpoch)
	if t.answers[o-1]&bit == 0 {
		t.answers[o-1] |= bit
		w.emit(t, label{"queries the coordinator: aborted", i, o})
	}
}

// commitAs commits what manager i has prepared, as coordinator h has committed it. If the contents differ, the
// coordinator's counts.
func (w *walk) commitAs(t *state, i int, h *manager) {
	m := &t.managers[i]
	if !w.commitsWhatItHolds {
		m.alteredPrepared = h.altered
	}
	w.apply(t, i, m.prepared)
}

// differs reports whether manager i has the coordinator's last operation with another content.
func (w *walk) differs(s *state, i int) bool {
	m := &s.managers[i]
	coordinator := w.leader(s, i)
	return coordinator >= 0 && coordinator != i && m.prepared == 0 && m.replacing == 0 && !w.contentIgnored &&
		s.managers[coordinator].committed == m.committed && s.managers[coordinator].altered != m.altered
}

// receiveAnswer adds the successor after the arrival of the coordinator's answer "aborted" about one epoch.
func (w *walk) receiveAnswer(o op, i int, epoch uint8) {
	t := w.from
	m := &t.managers[i]
	if m.prepared != o || m.preparedEpoch != epoch && !w.lateAnswerCounts || w.ignoresCoordinator(m, i, o) &&
		!w.fencedCoordinatorBelieved {
		return
	}
	abortPrepared(m)
	w.emit(t, label{"learns from the coordinator: aborted", i, o})
}

// catchUp adds the successor in which a manager that lost a write takes the configuration from the coordinator. It may
// vote again then.
func (w *walk) catchUp(i int) {
	t := w.from
	m := &t.managers[i]
	coordinator := w.leader(&w.from, i)
	if coordinator < 0 || w.noCatchUp {
		return
	}
	if w.follow(&w.from.managers[coordinator], m, i) {
		w.emit(t, label{"takes the configuration from the coordinator", i, m.committed})
	}
}

// leader returns the coordinator that manager i follows, or -1. A manager that lost its vote for a new store does not
// know the store; the store's coordinator, which lists it as a participant, notifies it.
func (w *walk) leader(s *state, i int) int {
	m := &s.managers[i]
	coordinator := int(m.coordinator)
	if coordinator < 0 && m.prepared != 0 {
		coordinator = w.coordinatorOf(m.prepared)
	}
	for j := range s.managers {
		if h := &s.managers[j]; m.coordinator < 0 && int(h.coordinator) == j && h.members.has(i) && !w.lostVotesStay {
			coordinator = j
		}
	}
	if coordinator < 0 || (m.replacing|m.fenced).has(coordinator) && !w.fencedCoordinatorFollowed {
		return -1
	}
	return coordinator
}

// follow copies the configuration of coordinator h to m, which has lost a write, and ends m's prepared operation as it
// ended at h. It does nothing and returns false while h has a prepared operation.
func (w *walk) follow(h, m *manager, i int) bool {
	record := h.members.has(i) || h.committed != 0 && w.of(h.committed).kind == remove
	if h.silent || h.suspect || h.prepared != 0 || h.replacing != 0 || !record && m.prepared == 0 {
		return false
	}
	if m.prepared != 0 && h.everCommitted>>m.prepared&1 == 1 {
		m.everCommitted |= 1 << m.prepared
		m.committedAttempts |= attempt(m.prepared, m.preparedEpoch)
		m.prepared, m.preparedEpoch, m.expired, m.alteredPrepared = 0, 0, false, false
	} else if m.prepared != 0 {
		abortPrepared(m)
	}
	if record && h.committed != m.committed {
		m.committed, m.members, m.coordinator = h.committed, h.members, h.coordinator
		m.everCommitted |= 1 << h.committed
		m.committedAttempts |= attempt(h.committed, max(w.view(h).committedEpoch, 1))
	}
	if record {
		m.altered = h.altered
	}
	m.epoch, m.suspect = max(m.epoch, h.epoch), false
	return true
}

// repair adds the successors after steps of replacement r, which makes every survivor promise, then sends each of them
// the decision.
func (w *walk) repair(r int) {
	p := w.from.replacements[r]
	lost := of(w.lost)
	if p.asked == 0 {
		t := w.from
		t.replacements[r].asked = w.sessions[r]
		w.emit(t, label{"replacement begins", r, 0})
		return
	}
	for i := range managers {
		if m := &w.from.managers[i]; p.asked.has(i) && !m.silent {
			if !p.deciding && !p.answered.has(i) {
				w.fence(r, i)
			}
			if p.deciding && (m.replacing == lost || w.noFence && !m.fenced.has(w.lost)) {
				t := w.from
				w.decide(&t, i, w.lost, p.committed, p.suspect)
				w.emit(t, label{"gets the decision of the replacement", i, m.prepared})
			}
		}
	}
	if !p.deciding && (p.asked == p.answered || w.someSurvivors && p.answered != 0) {
		t := w.from
		t.replacements[r].deciding = true
		w.emit(t, label{"replacement decides", r, 0})
	}
}

// fence adds the successor in which survivor i promises to ignore the lost coordinator and answers with its state.
func (w *walk) fence(r, i int) {
	m := &w.from.managers[i]
	if m.prepared != 0 && w.coordinatorOf(m.prepared) != w.lost {
		return // busy: the other coordinator has to decide that operation first
	}
	h := &w.from.managers[w.lost]
	holds := m.prepared != 0 || m.suspect && !w.suspectFences
	if holds && !w.falselyDeclared && !w.silenceNotNeeded && !w.silentPastLease(h) {
		return // the last contact with the coordinator is too recent
	}
	t := w.from
	v := &t.managers[i]
	switch nothing := w.absent(m) && m.prepared == 0 && !m.suspect; {
	case v.fenced.has(w.lost) || w.noFence || nothing && w.absentNotFenced:
	case nothing:
		// No decision of the lost coordinator can apply here, and none of the replacement: the name need not be
		// locked between the two phases. It must be fenced: a late prepare may still arrive.
		v.fenced |= of(w.lost)
		v.declared |= of(w.lost)
	default:
		v.replacing = of(w.lost)
		v.declared |= of(w.lost)
	}
	p := &t.replacements[r]
	p.answered |= of(i)
	if v.suspect && !w.suspectCoordinator {
		p.suspect |= of(i)
	}
	p.committed |= 1 << v.committed
	p.asked |= v.members &^ of(w.lost)
	if m.prepared != 0 && !w.recordedSurvivors {
		p.asked |= w.of(m.prepared).participants() &^ of(w.lost)
	}
	w.emit(t, label{"promises to ignore the coordinator", i, m.prepared})
}

// silentPastLease reports whether the coordinator has been silent for longer than the lease of its prepared operation.
func (w *walk) silentPastLease(h *manager) bool {
	// A suspect coordinator gives no sign of life, except while it asks all managers to decide what a person wants.
	if h.suspect && !h.silent {
		return !w.from.healing.deciding || w.decidesUnheard
	}
	return h.silent && (h.suspect || h.prepared == 0 || w.coordinatorOf(h.prepared) != w.lost || h.expired)
}

// decide completes the replacement at survivor i: it commits the prepared operation if any survivor has committed it,
// else it aborts it. The new coordinator is the smallest identity that has not lost a write.
func (w *walk) decide(t *state, i, lost int, committed uint8, suspect set) {
	m := &t.managers[i]
	m.replacing = 0
	if m.prepared != 0 && w.coordinatorOf(m.prepared) == lost {
		if committed>>m.prepared&1 == 1 {
			w.apply(t, i, m.prepared)
		} else {
			abortPrepared(m)
		}
	}
	m.fenced |= of(lost) // after the commit, which ends the fences of the operation's participants
	m.declared |= of(lost)
	if w.nothingUnfences && w.absent(m) {
		m.fenced = 0
	}
	m.members &^= of(lost)
	m.coordinator = int8((m.members &^ suspect).first())
}
