package model

// A coordinator whose disk lost writes is suspect: it neither votes nor decides. It heals by asking all managers that
// may know what it has forgotten. Each answer is read at another moment, so answers are part of the state.

// answer is what one manager has told a suspect coordinator, as it was when it answered.
type answer struct {
	got                          bool
	committed, prepared          op
	committedEpoch, epoch, votes uint8 // votes is the epoch of prepared
	ever                         uint8 // operations that it has committed
	members, fenced              set
	coordinator                  int8
}

// healing is what a suspect coordinator remembers while it asks. In every scenario that is manager 0.
type healing struct {
	answers  [managers]answer
	askers   set  // managers that have asked it about something that it coordinates
	deciding bool // a person has decided; the answers from before that don't count
}

// verdict is what follows from all answers.
type verdict struct {
	chosen    answer // the highest committed configuration, the own one included
	epoch     uint8  // the highest epoch in an answer
	ever      uint8  // operations that anybody has committed
	aborted   uint8  // prepared operations that can't have been committed
	undecided op     // an operation that the coordinator may have committed or aborted; 0 if there is none
	raised    bool   // all other participants hold undecided at an epoch above every earlier message
}

// heals reports whether manager i is a suspect coordinator, or may have coordinated an operation that it has forgotten.
func (w *walk) heals(s *state, i int) bool {
	leader := w.leader(s, i)
	return i == 0 && s.managers[i].suspect && (leader < 0 || leader == i)
}

// answerOf returns what manager j answers to manager i, and whether the answer may be used: not if j is suspect too, or
// takes part in a replacement of i.
func (w *walk) answerOf(s *state, j, i int) (answer, bool) {
	m := &s.managers[j]
	if m.silent || m.suspect && !w.healsFromSuspect || m.replacing != 0 || m.fenced.has(i) {
		return answer{}, false
	}
	return w.view(m), true
}

// view returns what a manager has of the store.
func (w *walk) view(m *manager) answer {
	a := answer{got: true, committed: m.committed, prepared: m.prepared, epoch: m.epoch, votes: m.preparedEpoch,
		ever: m.everCommitted, members: m.members, fenced: m.fenced, coordinator: m.coordinator}
	for o := op(1); o <= runs; o++ {
		for e := uint8(1); e <= maxEpoch; e++ {
			if m.committed == o && m.committedAttempts&attempt(o, e) != 0 {
				a.committedEpoch = e
			}
		}
	}
	return a
}

// named returns the managers that manager i has to ask: all that its record names, that any answer's configuration or
// prepared operation names, and that have asked it. Managers that an answer knows as declared lost are left out.
func (w *walk) named(s *state, i int) (named set) {
	m := &s.managers[i]
	named = m.members
	if m.prepared != 0 {
		named |= w.of(m.prepared).participants()
	}
	if w.ownRecordOnly {
		return named &^ of(i)
	}
	named |= s.healing.askers
	var lost set
	for _, a := range s.healing.answers {
		if a.got {
			named |= a.members
			lost |= a.fenced
			if a.prepared != 0 {
				named |= w.of(a.prepared).participants()
			}
		}
	}
	return named &^ lost &^ of(i)
}

// holds reports whether manager j has a configuration or a prepared operation that manager i coordinates. It asks i
// about it, again and again.
func (w *walk) holds(s *state, j, i int) bool {
	m := &s.managers[j]
	return j != i && (m.prepared != 0 && w.coordinatorOf(m.prepared) == i || int(m.coordinator) == i)
}

// conclude returns what follows from the answers, or false while one is missing.
func (w *walk) conclude(s *state, i int) (v verdict, complete bool) {
	m := &s.managers[i]
	v.chosen = w.view(m)
	v.epoch, v.ever = m.epoch, m.everCommitted
	named := w.named(s, i)
	pending := []op{}
	if m.prepared != 0 && w.coordinatorOf(m.prepared) == i {
		pending = append(pending, m.prepared)
		v.epoch = max(v.epoch, m.preparedEpoch)
	}
	for j, a := range s.healing.answers {
		if !named.has(j) {
			continue
		}
		if !a.got {
			return v, false
		}
		v.epoch = max(v.epoch, a.epoch, a.votes)
		v.ever |= a.ever
		if a.committed != 0 && w.later(a, v.chosen) {
			v.chosen = a
		}
		if a.prepared != 0 && w.coordinatorOf(a.prepared) == i {
			pending = append(pending, a.prepared)
		}
	}
	for _, o := range pending {
		if v.ever>>o&1 == 1 {
			continue
		}
		undecided, raised := true, true
		for _, j := range w.of(o).session {
			a := s.healing.answers[j]
			// It has not voted, or follows the coordinator's abort: not all can have voted at one epoch before the loss.
			if j != i && named.has(j) && a.prepared != o {
				undecided = false
			}
			raised = raised && (j == i || a.votes == maxEpoch)
		}
		if undecided && !w.pendingIgnored {
			v.undecided, v.raised = o, raised
		} else {
			v.aborted |= 1 << o
		}
	}
	return v, true
}

// later reports whether configuration a was committed after b.
func (w *walk) later(a, b answer) bool {
	if b.committed == 0 || a.committedEpoch != b.committedEpoch {
		return b.committed == 0 || a.committedEpoch > b.committedEpoch
	}
	return w.of(a.committed).revision > w.of(b.committed).revision
}

// heal adds the successors after steps of the healing of manager i, and of the person who decides what it can't.
func (w *walk) heal(i int) {
	for j := range managers {
		if a, usable := w.answerOf(&w.from, j, i); usable && w.named(&w.from, i).has(j) && w.from.healing.answers[j] != a {
			if !w.from.healing.answers[j].got {
				t := w.from
				t.healing.answers[j] = a
				w.emit(t, label{"answers the suspect coordinator", j, 0})
			}
		}
		if !w.from.managers[j].silent && w.holds(&w.from, j, i) && !w.named(&w.from, i).has(j) && !w.ownRecordOnly {
			t := w.from
			t.healing.askers |= of(j)
			w.emit(t, label{"asks the coordinator, which does not know the store", j, 0})
		}
	}
	w.forgetName(i)
	v, complete := w.conclude(&w.from, i)
	if !complete || w.unknown(&w.from, i) {
		return
	}
	if v.undecided != 0 {
		w.person(i, v)
		return
	}
	t := w.from
	if w.healed(&t, i, v) {
		w.checkReported(&t, v)
		w.emit(t, label{"heals", i, v.chosen.committed})
	}
}

// unknown reports whether manager i knows of nothing and nobody to ask.
func (w *walk) unknown(s *state, i int) bool {
	m := &s.managers[i]
	return m.committed == 0 && m.prepared == 0 && w.named(s, i) == 0
}

// forgetName adds the successor in which manager i votes for a name again that it does not know. That long, every
// manager that holds something of it has asked. The new epoch is above every earlier one.
func (w *walk) forgetName(i int) {
	if !w.unknown(&w.from, i) {
		return
	}
	t := w.from
	v := &t.managers[i]
	for j := range managers {
		if !w.noWait && w.holds(&w.from, j, i) {
			return
		}
	}
	v.epoch, v.suspect = w.fresh(&t, 0), false
	t.healing = healing{}
	w.emit(t, label{"votes for unknown names again", i, 0})
}

// fresh returns an epoch above every one that a suspect coordinator can have voted for. The managers leave a large gap
// above the highest epoch in the answers, since a vote that only managers outside of the answers have seen may be
// higher.
func (w *walk) fresh(s *state, highest uint8) uint8 {
	if !w.epochOfAnswers {
		for j := range managers {
			highest = max(highest, s.managers[j].epoch)
		}
		for o := range w.runners {
			highest = max(highest, s.runners[o].epoch)
		}
	}
	return min(highest+1, maxEpoch)
}

// healed makes manager i the coordinator of the configuration that the verdict has chosen, and records all decisions.
// It returns false if that configuration has another coordinator, which it does not follow here.
func (w *walk) healed(t *state, i int, v verdict) bool {
	m := &t.managers[i]
	c := v.chosen
	if c.committed != 0 && w.of(c.committed).kind != remove && int(c.coordinator) != i {
		return c.coordinator >= 0 && w.follow(&t.managers[c.coordinator], m, i)
	}
	m.committed, m.members, m.coordinator = c.committed, c.members, c.coordinator
	m.everCommitted |= v.ever
	if c.committed != 0 {
		m.committedAttempts |= attempt(c.committed, max(c.committedEpoch, 1))
	}
	for o := op(1); o <= runs; o++ {
		for e := uint8(1); e <= v.epoch && v.aborted>>o&1 == 1; e++ {
			m.abortedAttempts |= attempt(o, e)
		}
	}
	m.prepared, m.preparedEpoch, m.expired, m.alteredPrepared = 0, 0, false, false
	m.epoch = w.fresh(t, v.epoch)
	m.suspect = false
	t.healing = healing{}
	return true
}

// checkReported breaks I1 if the verdict aborts an operation whose coordinator has told its runner that it is
// committed.
func (w *walk) checkReported(s *state, v verdict) {
	for o := op(1); o <= runs; o++ {
		if (v.aborted&^s.overruled)>>o&1 == 1 && s.sent[o-1].has(committed) {
			w.breaks("I1: an operation that was reported as committed is aborted")
		}
	}
}

// person adds the successors after steps of the person who decides an operation that nobody can. First every other
// participant votes again at an epoch above all earlier messages: a commit or an abort of the coordinator from before
// the loss may still be on its way. Then the coordinator asks all once more and decides: that one write is the
// decision. While it asks, no survivor promises to ignore it.
func (w *walk) person(i int, v verdict) {
	o := v.undecided
	if w.from.healing.deciding {
		if v.raised || w.decidesAtOldEpoch {
			for _, commits := range []bool{true, false} {
				t := w.from
				w.decided(&t, i, v, commits)
				w.emit(t, label{map[bool]string{true: "commits what a person decides", false: "aborts what a person decides"}[commits],
					i, o})
			}
		}
		return
	}
	if !w.decidesAtOldEpoch {
		for _, j := range w.of(o).session {
			if m := &w.from.managers[j]; j != i && !m.silent && m.prepared == o && m.preparedEpoch < maxEpoch &&
				!w.ignoresCoordinator(m, j, o) {
				t := w.from
				t.managers[j].epoch, t.managers[j].preparedEpoch = maxEpoch, maxEpoch
				w.emit(t, label{"votes again above all epochs", j, o})
			}
		}
	}
	t := w.from
	t.healing.deciding = true
	t.healing.answers = [managers]answer{}
	w.emit(t, label{"a person decides", i, o})
}

// decided ends the undecided operation as a person has decided.
func (w *walk) decided(t *state, i int, v verdict, commits bool) {
	o := v.undecided
	if !commits {
		v.aborted |= 1 << o
		t.overruled |= 1 << o
	}
	if w.healed(t, i, v) && commits {
		t.managers[i].prepared, t.managers[i].preparedEpoch = o, maxEpoch
		w.apply(t, i, o)
	}
}

// healAll lets the suspect coordinator ask all managers at once, in a state in which nothing else happens. A person
// decides what nobody knows, by the given choice, and declares the coordinator lost where it can't heal. It reports
// whether the choice mattered.
func (w *walk) healAll(t *state, silent set, commits bool) (chose bool) {
	const i = 0
	if silent.has(i) || !w.heals(t, i) {
		return false
	}
	t.healing = healing{}
	for j := range managers {
		if !silent.has(j) && w.holds(t, j, i) {
			t.healing.askers |= of(j)
		}
	}
	for asked := set(0); w.named(t, i)&^asked != 0; {
		j := (w.named(t, i) &^ asked).first()
		asked |= of(j)
		t.healing.answers[j], _ = w.answerOf(t, j, i)
	}
	v, complete := w.conclude(t, i)
	switch {
	case w.unknown(t, i):
		t.managers[i].suspect = false
	case !complete:
		t.repairWithout(i, silent)
	case v.undecided != 0:
		w.decided(t, i, v, commits)
		chose = true
	case w.healed(t, i, v):
		w.checkReported(t, v)
	}
	t.healing = healing{}
	return chose
}
