package twophase

import (
	"slices"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/runtime/wire"
)

// Commit durably makes a prepared operation the store's configuration. Epoch is the epoch that all managers have voted
// for.
//
// At the coordinator this write is the decision, the commit point of two-phase commit: the driver sends the commit to
// the other participants only after the coordinator has confirmed it, so those apply a decision and take none. A crash
// before the write leaves the operation prepared, and Start aborts it at the coordinator; a participant stays in doubt
// and asks. A crash after the write leaves it committed, and the participants learn it from the coordinator's state.
// A repeated commit finds the decision record and gets the same answer.
func (m *Participant) Commit(id string, epoch uint64) (wire.OperationStatus, error) {
	end, err := m.decide("commit", id, func(d *catalog.Data, p *catalog.PreparedRecord) error {
		switch {
		case p == nil:
			// Never voted for here, or forgotten. There is nothing to commit, and no vote is broken by refusing (I4).
			return wire.RefuseOperationNotFound.With(id)
		// I8: this manager has promised to ignore the coordinator, which may have committed before it was declared
		// lost. Whether the operation counts is decided by the replacement, alike on all survivors.
		case !m.coordinates(p) && m.coordinatorFenced(d, p):
			return decidedByReplacement(p)
		// A suspect coordinator may have aborted the operation in the generation that it lost (I1). A suspect
		// participant may have an older configuration of the store than the operation builds on; recoverSuspect takes
		// the whole store from the coordinator instead.
		case m.isSuspect(d, p.Store):
			return m.checkSuspect(d, p.Store)
		// I8: the lease is checked inside the update that would commit. Expiry and commit can't race: updates of the
		// catalog run one after the other, and whichever comes first leaves a decision that the other finds. A
		// coordinator that was suspended longer than the lease therefore aborts when it wakes up, before the survivors
		// may promise to ignore it: they wait for coordinatorGrace beyond the lease.
		case m.leaseExpired(p):
			d.RecordDecision(decisionOf(p, false), m.Now())
			return nil
		// I1: the commit must be for the epoch of this vote. A commit with a lower epoch rests on the votes of that
		// epoch; this vote, of a higher one, was not among them.
		case p.Epoch != epoch:
			return supersededEpoch(p, epoch)
		}
		// I4: nothing about the operation's content is checked any more; the vote has promised that it can be applied.
		// I2: the configuration and the decision record change in one durable write. No crash leaves one without
		// the other.
		m.installOperation(d, p)
		d.RecordDecision(decisionOf(p, true), m.Now())
		return nil
	})
	if err == nil && end.State != wire.OperationCommitted {
		err = wire.RefuseOperationAborted.With(id)
	}
	return end, err
}

// Abort durably aborts an operation, or records that it must not be prepared here. If the operation is committed here,
// the answer says so and nothing changes (I1).
//
// The driver asks the coordinator first, and its answer is the decision. A crash before the write changes nothing: the
// coordinator aborts the operation at its restart, a participant stays in doubt. A crash after it leaves the record,
// which answers a repeated abort and refuses a late commit.
func (m *Participant) Abort(id string, a wire.AbortRequest) (wire.OperationStatus, error) {
	if err := wire.CheckName(a.Store); err != nil {
		return wire.OperationStatus{}, wire.Refuse(wire.CodeBadName, "store: %w", err)
	}
	return m.decide("abort", id, func(d *catalog.Data, p *catalog.PreparedRecord) error {
		switch {
		case p == nil:
			// I1: the abort may have overtaken the prepare on the network. The record refuses that prepare.
			d.RecordDecision(catalog.DecisionRecord{ID: id, Store: a.Store, Epoch: a.Epoch}, m.Now())
			return nil
		// I8: a survivor may have committed the operation, and the replacement then commits it here as well.
		case !m.coordinates(p) && m.coordinatorFenced(d, p):
			return decidedByReplacement(p)
		// A suspect coordinator may have committed in the generation that it lost (I1). A suspect participant may abort:
		// that follows a decision of the coordinator, and only ends its own vote.
		case m.coordinates(p) && m.isSuspect(d, p.Store):
			return m.checkSuspect(d, p.Store)
		case p.Epoch > a.Epoch: // a late abort: the operation was prepared again at a higher epoch
			return supersededEpoch(p, a.Epoch)
		}
		d.RecordDecision(decisionOf(p, false), m.Now())
		return nil
	})
}

// decide calls f to decide an operation, unless it is already decided, and returns the outcome. All of it happens in
// one update: two requests for one operation run one after the other, and the second finds the decision of the first.
func (m *Participant) decide(verb, id string,
	f func(*catalog.Data, *catalog.PreparedRecord) error) (wire.OperationStatus, error) {
	_ = failpoint.At(verb + ".received")
	var end catalog.DecisionRecord
	err := m.Catalog.Update(func(d *catalog.Data) error {
		failpoint.Enter(verb)
		if d.Decision(id) == nil { // I1: a decision is final; a late or repeated request only reads it
			if err := f(d, d.Prepared(id)); err != nil {
				return err
			}
		}
		end = *d.Decision(id)
		return nil
	})
	if err != nil {
		return wire.OperationStatus{}, err
	}
	m.dropContact(id) // a decided operation has no lease
	_ = failpoint.At(verb + ".durable")
	return m.decisionStatus(&end), nil
}

// Renew extends the lease of a prepared operation that this manager coordinates. It writes nothing, so a renewal costs
// no disk access and none survives a restart; Start takes that into account. It never revives an operation: expired
// leases are ended first, and an operation that is decided while this runs stays decided, since Commit looks for a
// decision before it looks at the lease.
func (m *Participant) Renew(id string) (wire.OperationStatus, error) {
	if err := m.expireLeases(); err != nil {
		return wire.OperationStatus{}, err
	}
	d := m.Catalog.Snapshot()
	if p := d.Prepared(id); p != nil {
		// The lease exists at the coordinator alone. Accepting a renewal here would let the driver believe that it holds.
		if !m.coordinates(p) {
			return wire.OperationStatus{}, wire.RefuseRenewElsewhere.With(id, p.Coordinator)
		}
		// The operation may have been decided since the snapshot. That stands (I1): touch changes the clock only, and
		// the driver learns the decision from its commit or its next renewal.
		m.touch(id)
		return m.preparedStatus(p), nil
	}
	x := d.Decision(id)
	switch {
	case x == nil:
		return wire.OperationStatus{}, wire.RefuseOperationNotFound.With(id)
	case !x.Committed:
		return wire.OperationStatus{}, wire.RefuseOperationAborted.With(id)
	}
	return m.decisionStatus(x), nil
}

// expireLeases durably aborts the operations that this manager coordinates and whose lease was not renewed in time.
// Only the coordinator may: the vote of another participant never expires, since the operation may be committed (I1,
// I4). A suspect coordinator does not either: it may have committed in the generation that it lost.
func (m *Participant) expireLeases() error {
	var late []string
	d := m.Catalog.Snapshot()
	for _, n := range d.Names {
		if n.Prepared != nil && m.leaseExpired(n.Prepared) && !m.isSuspect(d, n.Prepared.Store) {
			late = append(late, n.Prepared.Store)
		}
	}
	if len(late) == 0 {
		return nil
	}
	// Between the snapshot and this update the operation may have been renewed, or committed, or replaced by the next
	// one. expireLease checks everything again with the data of this update.
	return m.Catalog.Update(func(d *catalog.Data) error {
		for _, store := range late {
			m.expireLease(d, store)
		}
		return nil
	})
}

// expireLease records the abort of a store's prepared operation in d if this manager coordinates it, is not suspect,
// and the lease has expired.
func (m *Participant) expireLease(d *catalog.Data, store string) {
	if p := d.Name(store).Prepared; p != nil && m.leaseExpired(p) && !m.isSuspect(d, store) {
		d.RecordDecision(decisionOf(p, false), m.Now())
	}
}

// coordinatorFenced reports whether decisions of a prepared operation's coordinator no longer count here (I8): it is
// fenced, being replaced, or this manager itself was declared lost, so that its store may have moved on without it.
func (m *Participant) coordinatorFenced(d *catalog.Data, p *catalog.PreparedRecord) bool {
	n := d.Name(p.Store)
	return n.DeclaredLost || n.Replacing != "" || slices.Contains(n.Fenced, p.Coordinator)
}

// decidedByReplacement refuses to decide an operation that only a coordinator replacement may decide.
func decidedByReplacement(p *catalog.PreparedRecord) *wire.Result {
	return wire.RefuseReplacing.With(p.Coordinator, p.ID)
}

// decisionOf returns the decision record of a prepared operation. It keeps the digest, so that I7 holds afterwards too.
func decisionOf(p *catalog.PreparedRecord, committed bool) catalog.DecisionRecord {
	return catalog.DecisionRecord{ID: p.ID, Store: p.Store, Action: p.Action, Epoch: p.Epoch, Digest: p.Digest,
		Committed: committed}
}
