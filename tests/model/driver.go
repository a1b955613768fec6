package model

// runner adds the successors after the next steps of the runner of o. No step is forced, so a runner that stalls or
// dies needs no transition.
func (w *walk) runner(o op) {
	s := &w.from
	r := s.runners[o-1]
	sent := s.sent[o-1]
	coordinator := w.coordinatorOf(o)
	switch r.phase {
	case idle:
		w.start(o, coordinator)
	case preparingCoordinator:
		if sent.has(vote + at(coordinator, r.epoch)) {
			w.toOthers(o, coordinator, preparingOthers, "prepare the others", prepare, r.epoch)
		}
	case preparingOthers:
		if w.allVoted(o, coordinator) {
			if w.noCommitPoint {
				w.toAll(o, forward, "commit at all", commit)
			} else {
				w.toCoordinator(o, coordinator, committing, "commit at the coordinator", commit)
			}
		}
	case committing, aborting:
		if sent.has(committed) {
			w.toOthers(o, coordinator, forward, "commit at the others", commit, 0)
		}
		if sent.has(aborted) || w.unnamedRefusalCounts && r.phase == committing && w.refusedElsewhere(o) {
			w.toOthers(o, coordinator, backward, "abort at the others", abort, 0)
		}
	}
	if r.phase == preparingCoordinator || r.phase == preparingOthers {
		w.raise(o, coordinator)
	}
	if r.phase >= preparingCoordinator && r.phase <= committing &&
		(!w.patient || sent.has(refused) && r.phase != committing) {
		if w.noCommitPoint && r.phase != committing {
			w.toAll(o, backward, "abort at all", abort)
		} else {
			w.toCoordinator(o, coordinator, aborting, "abort at the coordinator", abort)
		}
	}
}

// refusedElsewhere reports whether a manager has said that another operation was aborted: an answer that a proxy can
// give to the wrong question. A refusal that names operation and manager is believed only for those.
func (w *walk) refusedElsewhere(o op) bool {
	for other := op(1); int(other) <= w.runners; other++ {
		if other != o && w.from.sent[other-1].has(aborted) {
			return true
		}
	}
	return false
}

// start adds the successor after the preflight, which chooses an epoch, together with the first prepare.
func (w *walk) start(o op, coordinator int) {
	if w.naive {
		w.toAll(o, forward, "apply at all", commit)
		return
	}
	t := w.from
	epoch := uint8(0)
	for _, i := range w.of(o).session {
		epoch = max(epoch, t.managers[i].epoch)
	}
	if epoch++; epoch > w.lastEpoch() {
		return
	}
	t.runners[o-1] = runner{preparingCoordinator, epoch}
	t.sent[o-1].add(prepare + at(coordinator, epoch))
	if w.parallelCoordinator {
		t.runners[o-1].phase = preparingOthers
		for _, i := range w.of(o).session {
			t.sent[o-1].add(prepare + at(i, epoch))
		}
	}
	w.emit(t, label{"prepare the coordinator", coordinator, o})
}

// raise adds the successor after a prepare above the epoch that a manager gave in its refusal.
func (w *walk) raise(o op, coordinator int) {
	for last := w.from.runners[o-1].epoch; last < w.lastEpoch(); last++ {
		if w.from.sent[o-1].has(stale + int(last) - 1) {
			t := w.from
			t.runners[o-1] = runner{preparingCoordinator, last + 1}
			t.sent[o-1].add(prepare + at(coordinator, last+1))
			w.emit(t, label{"prepare the coordinator again, epoch raised", coordinator, o})
		}
	}
}

func (w *walk) allVoted(o op, coordinator int) bool {
	sent, epoch := w.from.sent[o-1], w.from.runners[o-1].epoch
	missing := 0
	for _, i := range w.of(o).session {
		voted := sent.has(vote + at(i, epoch))
		for e := uint8(1); w.oldVotesCount && e < epoch; e++ {
			voted = voted || sent.has(vote+at(i, e))
		}
		if !voted {
			missing++
		}
	}
	return missing == 0 || w.commitEarly && missing == 1 && sent.has(vote+at(coordinator, epoch))
}

func (w *walk) toCoordinator(o op, coordinator int, next phase, what string, kind int) {
	t := w.from
	t.runners[o-1].phase = next
	t.sent[o-1].add(kind + coordinator)
	w.emit(t, label{what, coordinator, o})
}

func (w *walk) toAll(o op, next phase, what string, kind int) {
	t := w.from
	t.runners[o-1].phase = next
	for _, i := range w.of(o).session {
		t.sent[o-1].add(kind + i)
	}
	w.emit(t, label{what, -1, o})
}

// toOthers adds the successors after messages to all participants but the coordinator. The epoch is used for prepare
// only.
func (w *walk) toOthers(o op, coordinator int, next phase, what string, kind int, epoch uint8) {
	t := w.from
	t.runners[o-1].phase = next
	for _, i := range w.of(o).session {
		if i == coordinator {
			continue
		}
		if kind == prepare {
			t.sent[o-1].add(prepare + at(i, epoch))
		} else {
			t.sent[o-1].add(kind + i)
		}
	}
	w.emit(t, label{what, -1, o})
}
