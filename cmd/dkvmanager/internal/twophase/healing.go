package twophase

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// A suspect coordinator heals by asking every manager that may know what it has forgotten: all that its own record
// names, that any answer's configuration or prepared operation names, and that have asked it about the store, until no
// new one is named. All must answer, none may be suspect itself or replace this coordinator. Then (tests/model,
// healing.go):
//
//  1. The highest committed configuration counts, by epoch, then by revision. If it names this manager as the
//     coordinator, this manager takes it: only this manager can have decided it, and the others follow it.
//  2. An operation that all other participants have prepared, and nobody has committed, may have been committed or
//     aborted by the lost writes. A person decides it (Heal); until then this manager stays suspect.
//  3. A prepared operation that some participant has not prepared was never committed: a commit needs all votes, and a
//     vote ends only with the decision, which nobody else has. It is aborted.
//
// The answers are given at different moments. That does no harm: a suspect coordinator votes for nothing and decides
// nothing, so what has changed since an answer can't be a commit of this coordinator.
//
// A name without a store may have lost a vote of which nobody in the catalog knows (Data.SuspectNames). Whoever holds
// something of such a name asks this manager about it, every 5 s or every minute. The name is then healed like a store.
// After two full rounds of reconcile without such a question, in which all managers of the catalog answered, all other
// names are free again.

// epochGap is what a healed coordinator adds to the highest epoch that it knows of. It may have voted at a higher one,
// which only a manager that it does not ask has seen: an operation that adds that manager. A late message of that
// operation must be refused (I1).
const epochGap = 1 << 20

// maxAskers bounds the names for which questions are remembered, and the askers of one name.
const maxAskers = 256

// doubts is what a suspect manager remembers in memory about its suspect names, keyed in lower case.
type doubts struct {
	askers map[string]*asker
	// why has, for each name, why it is not healed, for people.
	why map[string]wire.Doubt
	// quiet is the number of complete rounds of reconcile since the last question about a name that was not known.
	quiet int
}

// asker is who has asked about a name.
type asker struct {
	store    string
	managers []wire.Manager
}

// Doubtful reports whether this manager may have lost a vote or a decision about a store.
func (m *Participant) Doubtful(store string) bool { return m.isSuspect(m.Catalog.Snapshot(), store) }

// Doubt reports whether this manager may have lost a vote or a decision about a store of d, and why it has not healed
// yet; nil while that is not known.
func (m *Participant) Doubt(d *catalog.Data, store string) (suspect bool, why *wire.Doubt) {
	if !m.isSuspect(d, store) {
		return false, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if doubt, known := m.doubts.why[strings.ToLower(store)]; known {
		why = &doubt
	}
	return true, why
}

// Asked records a question of another manager about a store. If the asker holds something of the store that this
// manager coordinates, and this manager does not know of it, the store is marked as suspect, durably, so that it heals.
// The caller has checked that the URL is the asker's.
func (m *Participant) Asked(store string, q wire.StateQuestion) error {
	d := m.Catalog.Snapshot()
	// A coordinator that carries out what a person decides gives a sign of life: it must not be declared lost meanwhile
	// (I8, see checkLastContact).
	if p := d.Name(store).Prepared; p != nil && p.ID == q.Deciding && p.Coordinator == q.From && !m.coordinates(p) {
		m.touch(p.ID)
	}
	if !q.Holds || !m.isSuspect(d, store) {
		return nil
	}
	key := strings.ToLower(store)
	m.mu.Lock()
	a := m.doubts.askers[key]
	if a == nil && len(m.doubts.askers) < maxAskers {
		a = &asker{store: store}
		m.doubts.askers[key] = a
	}
	if a != nil && !hasManager(a.managers, q.From) && len(a.managers) < maxAskers {
		a.managers = append(a.managers, wire.Manager{Identity: q.From, URL: q.URL})
	}
	known := slices.Contains(d.SuspectStores, key)
	if !known {
		m.doubts.quiet = 0
	}
	m.mu.Unlock()
	if known {
		return nil
	}
	return m.Catalog.Update(func(d *catalog.Data) error {
		if !m.isSuspect(d, store) || slices.Contains(d.SuspectStores, key) {
			return nil
		}
		d.NeedRoom()
		d.SuspectStores = append(d.SuspectStores, key)
		slices.Sort(d.SuspectStores)
		return nil
	})
}

// question returns the question with which this manager asks another one for a store's state.
func (m *Participant) question(d *catalog.Data, store string, to wire.Manager) wire.StateQuestion {
	n, s := d.Name(store), d.Stores[store]
	q := wire.StateQuestion{From: m.self()}
	switch p := n.Prepared; {
	case p != nil && p.Coordinator == to.Identity:
		q.URL, q.Holds = urlOf(p.Managers, m.self()), true
	case s != nil && s.Coordinator == to.Identity:
		q.URL, q.Holds = urlOf(s.Managers, m.self()), true
	}
	return q
}

// suspectName returns the name of a suspect store from its key, with the letters as its managers write it, or "" if
// this manager does not know it.
func (m *Participant) suspectName(d *catalog.Data, key string) string {
	if s := d.Named(key); s != nil {
		return s.Name
	}
	if p := d.Name(key).Prepared; p != nil {
		return p.Store
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.doubts.askers[key]; a != nil {
		return a.store
	}
	return ""
}

// verdict is what follows from the answers about a suspect store.
type verdict struct {
	config  *wire.Configuration // the highest committed one; nil if the store was removed, or nobody has it
	removed string              // the operation that removed the store
	epoch   uint64              // the highest one that anybody has seen
	fenced  []string
	// decisions are the decisions that others have seen, and those that follow from the answers.
	decisions []catalog.DecisionRecord
	undecided *wire.OperationStatus
	holders   []wire.OperationStatus // the votes of the other participants for undecided
}

// committed is a committed configuration or removal.
type committed struct {
	config  *wire.Configuration
	removed string
	epoch   uint64
}

// committedIn returns what a state shows as committed; its epoch is 0 if there is nothing.
func committedIn(s *wire.StoreState) committed {
	if s.Configuration != nil {
		return committed{config: s.Configuration, epoch: s.Configuration.Epoch}
	}
	if s.Removed == "" {
		return committed{}
	}
	for _, op := range s.Decisions {
		if op.ID == s.Removed {
			return committed{removed: s.Removed, epoch: op.Epoch}
		}
	}
	return committed{removed: s.Removed, epoch: s.Epoch}
}

// later reports whether a was committed after b.
func (a committed) later(b committed) bool {
	switch {
	case a.config == nil && a.removed == "":
		return false
	case b.config == nil && b.removed == "":
		return true
	case a.epoch != b.epoch:
		return a.epoch > b.epoch
	}
	return a.config != nil && b.config != nil && a.config.Revision > b.config.Revision
}

// errNotHealed says why a suspect store is not healed now. It is no failure of the round.
type errNotHealed struct{ why string }

func (e errNotHealed) Error() string { return e.why }

// answersAbout asks all managers that may know about a suspect store, as described above.
func (m *Participant) answersAbout(ctx context.Context, store, deciding string) (map[string]*wire.StoreState, error) {
	d := m.Catalog.Snapshot()
	answers := map[string]*wire.StoreState{}
	var failures []error
	for {
		missing := slices.DeleteFunc(m.concerned(d, store, answers),
			func(w wire.Manager) bool { return answers[w.Identity] != nil })
		if len(missing) == 0 {
			return answers, nil
		}
		var mu sync.Mutex
		var round []query
		for _, w := range missing {
			q := wire.StateQuestion{From: m.self(), Deciding: deciding}
			round = append(round, query{w.URL + " " + w.Identity, 0, func() error {
				there, err := m.Peers.State(ctx, w.URL, store, q)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err != nil:
					failures = append(failures, err)
				case there.Manager != w.Identity:
					failures = append(failures, fmt.Errorf("another manager answers on %s", w.URL))
				default:
					answers[w.Identity] = &there
				}
				return nil
			}})
		}
		one := rounds{clock: m.Now, parallel: m.Queries}
		_ = one.run(round)
		if len(failures) > 0 {
			return nil, failures[0]
		}
	}
}

// concerned returns the managers that may know about a suspect store, by what is known so far, without this one and
// without those that an answer shows as declared lost.
func (m *Participant) concerned(d *catalog.Data, store string, answers map[string]*wire.StoreState) []wire.Manager {
	var all []wire.Manager
	var lost []string
	add := func(list []wire.Manager) {
		for _, w := range list {
			if w.Identity != m.self() && !hasManager(all, w.Identity) {
				all = append(all, w)
			}
		}
	}
	if s := d.Named(store); s != nil {
		add(s.Managers)
	}
	if p := d.Name(store).Prepared; p != nil {
		add(p.Managers)
	}
	m.mu.Lock()
	if a := m.doubts.askers[strings.ToLower(store)]; a != nil {
		add(a.managers)
	}
	m.mu.Unlock()
	for _, identity := range slices.Sorted(maps.Keys(answers)) {
		there := answers[identity]
		if there.Configuration != nil {
			add(there.Configuration.Managers)
		}
		if there.Prepared != nil {
			add(there.Prepared.Managers)
		}
		lost = append(lost, there.Fenced...)
	}
	return slices.DeleteFunc(all, func(w wire.Manager) bool { return slices.Contains(lost, w.Identity) })
}

// conclude returns what follows from the answers of all concerned managers.
func (m *Participant) conclude(d *catalog.Data, store string, answers map[string]*wire.StoreState) (verdict, error) {
	var v verdict
	n := d.Name(store)
	mine := wire.StoreState{Manager: m.self(), Epoch: n.Epoch, Removed: n.Removed, Prepared: m.PreparedOf(d, store)}
	if s := d.Named(store); s != nil {
		mine.Configuration = s.Configuration()
	}
	for i := range n.Decisions {
		mine.Decisions = append(mine.Decisions, m.decisionStatus(&n.Decisions[i]))
	}
	best := committedIn(&mine)
	v.epoch = n.Epoch
	states := []*wire.StoreState{}
	for _, identity := range slices.Sorted(maps.Keys(answers)) {
		there := answers[identity]
		switch {
		case slices.Contains(there.Fenced, m.self()):
			return v, errNotHealed{"manager " + identity + " has declared this manager lost"}
		case there.Replacing != "":
			return v, errNotHealed{"manager " + identity + " replaces a coordinator"}
		case there.Suspect:
			return v, errNotHealed{"manager " + identity + " may have forgotten a vote too"}
		}
		states = append(states, there)
		v.fenced = append(v.fenced, there.Fenced...)
	}
	for i, there := range states {
		c := committedIn(there)
		// A replacement of a coordinator changes neither epoch nor revision: the answers count more than the own record,
		// and must agree.
		switch same := c.config != nil && best.config != nil && !c.later(best) && !best.later(c); {
		case c.later(best) || same && i == 0:
			best = c
		case same && c.config.Coordinator != best.config.Coordinator:
			return v, errNotHealed{"the other managers name different coordinators"}
		}
		v.epoch = max(v.epoch, there.Epoch, c.epoch)
	}
	v.config, v.removed = best.config, best.removed
	v.addDecisions(states, best)
	states = append(states, &mine)
	for _, there := range states {
		if p := there.Prepared; p != nil && p.Coordinator == m.self() && !v.knows(p.ID) {
			v.epoch = max(v.epoch, p.Epoch)
			m.judge(&v, p, answers)
		}
	}
	return v, nil
}

// addDecisions adds the decisions in the states, and that of the operation that made what is committed.
func (v *verdict) addDecisions(states []*wire.StoreState, best committed) {
	add := func(op *wire.OperationStatus, committed bool) {
		if !v.knows(op.ID) {
			v.decisions = append(v.decisions, catalog.DecisionRecord{ID: op.ID, Store: op.Store, Action: op.Action,
				Epoch: op.Epoch, Digest: op.Digest, Committed: committed})
		}
	}
	for _, commits := range []bool{true, false} { // a commit counts more: an abort can be recorded by a late request
		for _, there := range states {
			for i := range there.Decisions {
				if op := &there.Decisions[i]; (op.State == wire.OperationCommitted) == commits {
					add(op, commits)
				}
			}
		}
		if c := best.config; commits && c != nil && wire.VotedByAll(c.LastOperation) {
			add(&wire.OperationStatus{ID: c.LastOperation, Epoch: c.Epoch}, true)
		}
		if commits && best.removed != "" {
			add(&wire.OperationStatus{ID: best.removed, Epoch: best.epoch, Action: wire.RemoveStoreAction}, true)
		}
	}
}

// knows reports whether the verdict has a decision about an operation.
func (v *verdict) knows(id string) bool {
	return slices.ContainsFunc(v.decisions, func(x catalog.DecisionRecord) bool { return x.ID == id })
}

// judge adds to v what follows for a prepared operation of this coordinator that nobody has seen decided.
func (m *Participant) judge(v *verdict, p *wire.OperationStatus, answers map[string]*wire.StoreState) {
	var holders []wire.OperationStatus
	for _, w := range p.Managers {
		if w.Identity == m.self() {
			continue
		}
		there := answers[w.Identity] // nil if it was declared lost since
		if there == nil || there.Prepared == nil || there.Prepared.ID != p.ID {
			v.decisions = append(v.decisions, catalog.DecisionRecord{ID: p.ID, Store: p.Store, Action: p.Action, Epoch: p.Epoch,
				Digest: p.Digest})
			return
		}
		holders = append(holders, *there.Prepared)
	}
	v.undecided, v.holders = p, holders
}

// heal heals a suspect store as far as that needs nobody's decision. The error says why it can't now; that is shown to
// people and is not logged each time.
func (m *Participant) heal(ctx context.Context, store string) error {
	answers, err := m.answersAbout(ctx, store, "")
	if err == nil {
		err = m.healWith(store, answers, nil)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key := strings.ToLower(store)
	delete(m.doubts.why, key)
	if err != nil && len(m.doubts.why) < maxAskers {
		m.doubts.why[key] = wire.Doubt{Why: err.Error()}
		var undecided errUndecided
		if errors.As(err, &undecided) {
			m.doubts.why[key] = wire.Doubt{Why: err.Error(), Operation: undecided.op.ID, Action: undecided.op.Action}
		}
	}
	var silent errNotHealed
	if err == nil || errors.As(err, &silent) || errors.As(err, new(errUndecided)) {
		return nil
	}
	return noAnswer{err}
}

// errUndecided says that a person has to decide an operation.
type errUndecided struct{ op *wire.OperationStatus }

func (e errUndecided) Error() string {
	return fmt.Sprintf("all others have prepared operation %s (%s by %s), and this manager may have committed or aborted it",
		e.op.ID, e.op.Action, e.op.Owner)
}

// decideFor is how a person ends the undecided operation.
type decideFor struct {
	operation wire.Operation
	commits   bool
	began     time.Time // when the managers were asked for the answers
}

// healWith heals a suspect store by the answers of all concerned managers, in one durable update: a crash leaves the
// store suspect or healed. by is nil unless a person has decided.
func (m *Participant) healWith(store string, answers map[string]*wire.StoreState, by *decideFor) error {
	return m.Catalog.Update(func(d *catalog.Data) error {
		s := d.Named(store)
		if !m.isSuspect(d, store) || d.Name(store).DeclaredLost {
			return nil
		}
		// The record may name other managers than when they were asked.
		if slices.ContainsFunc(m.concerned(d, store, answers),
			func(w wire.Manager) bool { return answers[w.Identity] == nil }) {
			return errNotHealed{"not all managers were asked"}
		}
		v, err := m.conclude(d, store, answers)
		if err != nil {
			return err
		}
		if v.undecided != nil {
			if err := m.checkDecided(&v, by); err != nil {
				return err
			}
		}
		if c := v.config; c != nil && c.Coordinator != m.self() && c.Coordinator != "" {
			// It follows that coordinator (recoverSuspect), which may still decide about a vote that was lost here (I4).
			there := answers[c.Coordinator]
			switch member := hasManager(c.Managers, m.self()); {
			case there == nil || there.Prepared != nil, !member && s != nil:
				return errNotHealed{"manager " + c.Coordinator + " coordinates the store, and has not given it to this manager"}
			case !member: // the others have created it without this manager, which keeps no store of the name
				v.config = nil
			}
		}
		m.takeVerdict(d, store, s, &v)
		if v.undecided != nil {
			return m.decideByPerson(d, &v, by)
		}
		return nil
	})
}

// takeVerdict makes what the verdict has chosen this manager's record of the store, and clears the mark.
func (m *Participant) takeVerdict(d *catalog.Data, store string, s *catalog.Store, v *verdict) {
	switch c := v.config; {
	case c != nil:
		var o installOptions
		if s != nil && s.Creation != c.Creation { // removed and created anew since the older generation
			o.desired = desiredState(s)
			d.RemoveStore(s.Name)
			s = nil
		}
		o.founding = s == nil && c.Revision == 1
		if s == nil || c.LastOperation != s.LastCommitted() || !c.SameContent(s.Configuration()) {
			m.installConfiguration(d, store, c, o)
		}
	case v.removed != "":
		RemoveStore(d, store, v.removed)
	}
	slices.SortStableFunc(v.decisions, func(a, b catalog.DecisionRecord) int { return cmp.Compare(a.Epoch, b.Epoch) })
	for _, x := range v.decisions { // the latest last: the first ones are dropped
		if d.Decision(x.ID) == nil {
			x.Store = store
			d.RecordDecision(x, m.Now())
		}
	}
	d.SetName(store, func(n *catalog.Name) {
		// A vote for an operation of another coordinator stays: that one decides it.
		if n.Prepared != nil && n.Prepared.Coordinator == m.self() {
			n.Prepared = nil
		}
		n.Epoch = max(n.Epoch, v.epoch) + epochGap
		for _, lost := range v.fenced {
			if !slices.Contains(n.Fenced, lost) {
				n.Fenced = append(slices.Clone(n.Fenced), lost)
			}
		}
		if slices.Contains(n.Fenced, n.Replacing) {
			n.Replacing = "" // the others have finished the replacement
		}
	})
	clearSuspect(d, store)
}

// checkDecided returns nil if a person's decision about the undecided operation may be carried out now.
func (m *Participant) checkDecided(v *verdict, by *decideFor) error {
	if by == nil || by.operation.ID != v.undecided.ID {
		return errUndecided{v.undecided}
	}
	digest := by.operation.Digest()
	for _, h := range v.holders {
		switch {
		// I1: a commit or an abort from before the loss may still be on its way to a participant. It is refused there once
		// the participant has voted at a higher epoch.
		case h.Epoch != by.operation.Epoch:
			return wire.Refuse(wire.CodeStaleEpoch, "manager %s has not voted for operation %s at epoch %d", h.Manager, h.ID, by.operation.Epoch)
		case h.Digest != digest && by.commits: // I7
			return wire.RefuseOperationDiffers.With(h.ID)
		}
	}
	// I8: for the length of a lease no participant declares this coordinator lost after it was asked.
	if m.Now().Sub(by.began) > m.ExpireAfter {
		return wire.RefuseCoordinatorSilent.With(errors.New("the answers of the other managers are too old"))
	}
	return nil
}

// decideByPerson commits or aborts the undecided operation, after takeVerdict has installed what it builds on.
func (m *Participant) decideByPerson(d *catalog.Data, v *verdict, by *decideFor) error {
	c := by.operation
	p := &catalog.PreparedRecord{Operation: c, Digest: c.Digest(), Since: m.Now().UTC().Round(0)}
	if by.commits {
		s := d.Named(c.Store)
		// I6: the participants have voted, so it builds on what they have. Here it must, too, and be able to run.
		if r := m.checkBase(s, &c); r != nil {
			return r
		}
		if !c.Removes() {
			if problems := m.checkInstances(d, s, &c); len(problems) > 0 {
				return mergeRefusals(problems)
			}
		}
		m.installOperation(d, p)
	}
	end := decisionOf(p, by.commits)
	if !by.commits {
		end.Digest = v.undecided.Digest
	}
	d.RecordDecision(end, m.Now())
	return nil
}

// Heal asks all managers that may know what this suspect coordinator has forgotten of a store, and carries out what a
// person has decided about the operation that nobody can decide: one durable write is the commit point. Before, the
// person's runner has let all other participants vote again at the operation's epoch. If the answers show that it is
// decided after all, that decision stands. Repeating it changes nothing.
func (m *Participant) Heal(ctx context.Context, store string, r wire.HealRequest) (wire.StoreState, error) {
	if err := validate(&r.Operation); err != nil {
		return wire.StoreState{}, err
	}
	if r.Operation.Store != store || r.Operation.Coordinator != m.self() {
		return wire.StoreState{}, wire.RefuseWrongManager.With(m.self())
	}
	if m.Doubtful(store) {
		by := &decideFor{operation: r.Operation, commits: r.Decide == wire.DecideMake, began: m.Now()}
		answers, err := m.answersAbout(ctx, store, r.Operation.ID)
		if err != nil {
			return wire.StoreState{}, wire.RefuseNotHealed.With(store, err)
		}
		var open errNotHealed
		var undecided errUndecided
		switch err := m.healWith(store, answers, by); {
		case errors.As(err, &open), errors.As(err, &undecided):
			return wire.StoreState{}, wire.RefuseNotHealed.With(store, err)
		case err != nil:
			return wire.StoreState{}, err
		}
	}
	return m.State(store)
}

// freeNames counts a round of reconcile in which all managers answered or not. After two such rounds have passed
// without a question about a name that this manager does not know, it votes for such names again.
func (m *Participant) freeNames(complete bool) error {
	if !m.Catalog.Snapshot().SuspectNames {
		return nil
	}
	m.mu.Lock()
	if m.doubts.quiet++; !complete {
		m.doubts.quiet = 0
	}
	enough := m.doubts.quiet > quietRounds
	m.mu.Unlock()
	if !enough {
		return nil
	}
	return m.Catalog.Update(func(d *catalog.Data) error {
		if !d.SuspectNames {
			return nil
		}
		// I1: late messages of operations that are forgotten stay refused.
		for _, n := range d.Names {
			d.DroppedEpoch = max(d.DroppedEpoch, n.Epoch)
		}
		d.DroppedEpoch += epochGap
		d.SuspectNames = false
		for key, n := range d.Names {
			if n.Confirmed {
				d.SetName(key, func(n *catalog.Name) { n.Confirmed = false })
			}
		}
		return nil
	})
}

// quietRounds is the number of complete rounds that must pass after a first one.
const quietRounds = 2
