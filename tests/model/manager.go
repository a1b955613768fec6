package model

import "dkvrun/runtime/wire"

// receive adds the successor states in which manager i has handled a message of o that was ever sent to it.
func (w *walk) receive(o op, i int) {
	sent := w.from.sent[o-1]
	for e := uint8(1); e <= maxEpoch; e++ {
		if sent.has(prepare + at(i, e)) {
			w.receivePrepare(o, i, e, false)
			if w.proxied.has(i) {
				w.receivePrepare(o, i, e, true)
			}
		}
		if w.from.answers[o-1]>>at(i, e)&1 == 1 {
			w.receiveAnswer(o, i, e)
		}
	}
	if sent.has(commit + i) {
		w.receiveCommit(o, i)
	}
	if sent.has(abort + i) {
		w.receiveAbort(o, i)
	}
	if w.renewalRevives && i == w.coordinatorOf(o) && w.from.runners[o-1].phase >= preparingOthers {
		w.revive(o, i)
	}
}

// receivePrepare adds the successor state in which the manager has voted or refused. If altered, a field was changed in
// transit. The vote carries the digest of what it is for, and the driver counts it only for its own content.
func (w *walk) receivePrepare(o op, i int, epoch uint8, altered bool) {
	t := w.from
	m := &t.managers[i]
	switch {
	case m.suspect || m.expired && m.prepared == o || m.committed == o:
		return // an expired lease is ended first, and a decided operation is not prepared again
	case m.prepared == o && m.alteredPrepared != altered:
		return // the digest of a known id is compared
	case m.prepared == o && w.ignoresCoordinator(m, i, o) && !w.votesWhileFencing:
		return // the vote is not confirmed, and its epoch is not raised
	case m.prepared == o:
		if epoch > m.preparedEpoch {
			m.epoch, m.preparedEpoch = epoch, epoch
		}
		w.vote(&t, o, i, m.preparedEpoch, altered)
		w.emit(t, label{"prepared: yes again", i, o})
	case w.idOnly && m.prepared != 0 && w.of(o).sameID:
		t.sent[o-1].add(vote + at(i, epoch))
		w.emit(t, label{"prepared: yes, digest not compared", i, o})
	case w.refusal(m, i, o) != "":
		if w.patient && !t.sent[o-1].has(refused) {
			t.sent[o-1].add(refused)
			w.emit(t, label{"prepared: " + w.refusal(m, i, o), i, o})
		}
	case epoch <= m.epoch && !w.noEpoch:
		if bit := stale + int(m.epoch) - 1; !t.sent[o-1].has(bit) {
			t.sent[o-1].add(bit)
			w.emit(t, label{"prepared: " + wire.RefuseStaleEpoch.Code, i, o})
		}
	default:
		m.prepared, m.preparedEpoch, m.expired = o, epoch, false
		m.alteredPrepared = altered
		m.epoch = max(m.epoch, epoch)
		w.vote(&t, o, i, epoch, altered)
		w.emit(t, label{map[bool]string{false: "prepared: yes", true: "prepared: yes, to another content"}[altered], i, o})
	}
}

// vote sends the vote to the runner, unless it is for another content, which the runner does not count.
func (w *walk) vote(t *state, o op, i int, epoch uint8, altered bool) {
	if !altered || w.anyContentCounts {
		t.sent[o-1].add(vote + at(i, epoch))
	}
}

// refusal returns the code with which manager i refuses to vote for o, or "" if it votes. The epoch is compared by
// receivePrepare. The rules are in the order of the managers' checks.
func (w *walk) refusal(m *manager, i int, o op) string {
	p := w.of(o)
	based := w.based(m, i, o)
	if w.revisionOnly && !w.absent(m) && p.kind == change {
		based = w.of(m.committed).revision == w.of(p.base).revision
	}
	if w.absent(m) && p.kind == change {
		based = based || w.absentAccepts
	}
	lost := m.fenced | m.replacing
	if w.fencedCoordinatorTakesPart {
		lost = 0
	}
	switch {
	case m.replacing != 0 && !w.votesWhileFencing:
		return wire.RefuseReplacementUnfinished.Code
	case lost.has(w.coordinatorOf(o)):
		return wire.RefuseLostCoordinator.Code
	case m.prepared != 0:
		return wire.RefuseStoreBusy.Code
	case !based && !w.noBase && w.absent(m) && p.kind == remove:
		return wire.RefuseNothingToRemove.Code
	case !based && !w.noBase && w.absent(m):
		return wire.RefuseNoBase.Code
	case !based && !w.noBase && p.kind == create:
		return wire.RefuseOtherTopology.Code
	case !based && !w.noBase:
		return wire.RefuseStaleRevision.Code
	case !w.absent(m) && int(m.coordinator) != w.coordinatorOf(o) && !w.revisionOnly && !w.noBase:
		return wire.RefuseWrongCoordinator.Code
	case !w.absent(m) && !w.anyParticipants && m.members&^p.participants()&^p.lost != 0:
		return wire.RefuseMissingManager.Code
	}
	return ""
}

// receiveCommit adds the successor state after a commit: the coordinator decides with it, the others follow it.
func (w *walk) receiveCommit(o op, i int) {
	t := w.from
	m := &t.managers[i]
	coordinator := w.coordinatorOf(o)
	switch {
	case m.suspect:
		return // it takes the configuration from the coordinator instead
	case m.prepared == o && m.preparedEpoch == t.runners[o-1].epoch:
		if i == coordinator && m.expired && !w.commitAfterExpiry || w.ignoresCoordinator(m, i, o) {
			return
		}
		w.apply(&t, i, o)
		w.acknowledge(&t, i, o)
		w.emit(t, label{"committed", i, o})
	case m.everCommitted>>o&1 == 1:
		w.acknowledge(&t, i, o)
		w.emit(t, label{"committed before", i, o})
	case w.naive:
		w.apply(&t, i, o)
		w.emit(t, label{"applied", i, o})
	case w.idOnly && m.prepared != 0 && w.of(o).sameID:
		w.apply(&t, i, m.prepared)
		w.acknowledge(&t, i, o)
		w.emit(t, label{"committed, digest not compared", i, o})
	case w.idOnly && m.everCommitted&2 != 0 && w.of(o).sameID:
		w.acknowledge(&t, i, o)
		w.emit(t, label{"committed before, digest not compared", i, o})
	case m.prepared == o && m.preparedEpoch > t.runners[o-1].epoch || t.overruled>>o&1 == 1:
		return // it has voted again for what a person decides
	case i != coordinator && (m.fenced|m.replacing)&of(coordinator) == 0:
		w.breaks("I4: a manager that voted yes refuses the commit")
	}
}

// acknowledge sends the runner the coordinator's answer. Answers of other managers don't change what the runner does.
func (w *walk) acknowledge(t *state, i int, o op) {
	if i == w.coordinatorOf(o) {
		t.sent[o-1].add(committed)
	}
}

// ignoresCoordinator reports whether i has promised to ignore the operation's coordinator, or has replaced it.
func (w *walk) ignoresCoordinator(m *manager, i int, o op) bool {
	coordinator := w.coordinatorOf(o)
	return i != coordinator && (m.fenced | m.replacing).has(coordinator)
}

// apply installs the configuration of an operation.
func (w *walk) apply(t *state, i int, o op) {
	m := &t.managers[i]
	if m.alteredPrepared {
		w.breaks("I7: a manager commits another content than the runner proposed")
	}
	if !w.based(m, i, o) && !w.naive {
		w.breaks("I6: an operation overwrites what its runner had not seen")
	}
	coordinator := w.coordinatorOf(o)
	if i == coordinator && !w.falselyDeclared {
		for _, j := range w.of(o).session {
			if t.managers[j].declared.has(coordinator) {
				w.breaks("I8: a coordinator that was declared lost commits")
			}
		}
	}
	taken := w.of(o).participants() // a manager that was declared lost and votes again has removed the store before
	m.fenced = m.fenced&^taken | w.of(o).lost
	m.declared = m.declared&^taken | w.of(o).lost
	m.committed, m.members = o, w.of(o).result()&^m.fenced
	m.altered, m.alteredPrepared = m.alteredPrepared, false
	switch {
	case m.members == 0:
		m.coordinator = -1
	case w.of(o).newCoordinator > 0:
		m.coordinator = int8(w.of(o).newCoordinator - 1)
	default:
		m.coordinator = int8(coordinator)
	}
	if w.removalUnfences && m.members == 0 {
		m.fenced = 0
	}
	m.everCommitted |= 1 << o
	m.committedAttempts |= attempt(o, max(m.preparedEpoch, 1))
	m.prepared, m.preparedEpoch, m.expired = 0, 0, false
}

// abortPrepared aborts the prepared operation.
func abortPrepared(m *manager) {
	m.abortedAttempts |= attempt(m.prepared, m.preparedEpoch)
	m.prepared, m.preparedEpoch, m.expired = 0, 0, false
	m.alteredPrepared = false
}

// receiveAbort adds the successor after the arrival of the abort: at the coordinator it is the decision, unless the
// operation is committed; at the others they follow it.
func (w *walk) receiveAbort(o op, i int) {
	t := w.from
	m := &t.managers[i]
	if i == w.coordinatorOf(o) {
		switch {
		case m.suspect:
			return
		case m.everCommitted>>o&1 == 1:
			t.sent[o-1].add(committed)
			w.emit(t, label{"abort arrives after the commit", i, o})
			return
		case m.prepared == o:
			abortPrepared(m)
		}
		t.sent[o-1].add(aborted)
		w.emit(t, label{"aborted by the coordinator", i, o})
		return
	}
	if m.prepared == o && !w.ignoresCoordinator(m, i, o) && m.preparedEpoch <= t.runners[o-1].epoch {
		abortPrepared(m)
		w.emit(t, label{"aborted", i, o})
	}
}

// revive adds the successor state in which a renewal is accepted after the lease has expired; only a weakened protocol
// does that.
func (w *walk) revive(o op, i int) {
	t := w.from
	m := &t.managers[i]
	epoch := t.runners[o-1].epoch
	if m.prepared == 0 && m.epoch == epoch && m.everCommitted>>o&1 == 0 && w.based(m, i, o) {
		m.prepared, m.preparedEpoch = o, epoch
		w.emit(t, label{"renewed after the end of the lease", i, o})
	}
}
