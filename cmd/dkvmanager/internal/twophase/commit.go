package twophase

import (
	"slices"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/runtime/wire"
)

// Commit makes a pending change the store's configuration, durably; at the coordinator that is what decides the
// operation. Only the coordinator refuses, and only an operation that it let go. Epoch is the one that all have
// voted for.
func (m *Participant) Commit(id string, epoch uint64) (wire.OperationStatus, error) {
	end, err := m.decide("commit", id, func(d *catalog.Data, p *catalog.PreparedRecord) error {
		switch {
		case p == nil:
			return wire.RefuseOperationNotFound.With(id)
		case !m.coordinates(p) && m.coordinatorFenced(d, p):
			return decidedByReplacement(p)
		case m.isSuspect(d, p.Store):
			return m.checkSuspect(d, p.Store)
		// I8: the coordinator looks at the clock in the step that decides, so that it commits nothing once it may
		// have been declared lost.
		case m.leaseExpired(p):
			d.RecordDecision(decisionOf(p, false), m.Now())
			return nil
		// I1: a commit counts for the epoch that all have voted for; an older one may have been aborted.
		case p.Epoch != epoch:
			return moved(p, epoch)
		}
		// I4: a prepared operation is never refused by its content; the checks came before the vote. Record and
		// configuration change in one durable write, which is the commit point at the coordinator.
		m.installOperation(d, p)
		d.RecordDecision(decisionOf(p, true), m.Now())
		return nil
	})
	if err == nil && end.State != wire.OperationCommitted {
		err = wire.RefuseOperationAborted.With(id)
	}
	return end, err
}

// Abort drops a pending change, durably, or sees to it that it is never voted for here. The answer says
// that the operation is committed where it is.
func (m *Participant) Abort(id string, a wire.AbortRequest) (wire.OperationStatus, error) {
	if err := wire.CheckName(a.Store); err != nil {
		return wire.OperationStatus{}, wire.Refuse(wire.CodeBadName, "store: %w", err)
	}
	return m.decide("abort", id, func(d *catalog.Data, p *catalog.PreparedRecord) error {
		switch {
		case p == nil:
			// I1: the record refuses a prepare that arrives after this abort.
			d.RecordDecision(catalog.DecisionRecord{ID: id, Store: a.Store, Epoch: a.Epoch}, m.Now())
			return nil
		case !m.coordinates(p) && m.coordinatorFenced(d, p):
			return decidedByReplacement(p)
		case m.coordinates(p) && m.isSuspect(d, p.Store):
			return m.checkSuspect(d, p.Store)
		case p.Epoch > a.Epoch: // it was prepared anew since
			return moved(p, a.Epoch)
		}
		d.RecordDecision(decisionOf(p, false), m.Now())
		return nil
	})
}

// decide lets f end an operation, unless it has ended before, and answers how it ended.
func (m *Participant) decide(verb, id string, f func(*catalog.Data, *catalog.PreparedRecord) error) (wire.OperationStatus, error) {
	_ = failpoint.At(verb + ".received")
	var end catalog.DecisionRecord
	err := m.Catalog.Update(func(d *catalog.Data) error {
		failpoint.Enter(verb)
		if d.Decision(id) == nil { // I1: a decision is final
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
	m.dropContact(id)
	_ = failpoint.At(verb + ".durable")
	return m.decisionStatus(&end), nil
}

// Renew says that the runner of a pending operation is alive. This manager has to be its coordinator. It never
// brings an operation back.
func (m *Participant) Renew(id string) (wire.OperationStatus, error) {
	if err := m.ExpireLeases(); err != nil {
		return wire.OperationStatus{}, err
	}
	d := m.Catalog.Snapshot()
	if p := d.Prepared(id); p != nil {
		if !m.coordinates(p) {
			return wire.OperationStatus{}, wire.RefuseRenewElsewhere.With(id, p.Coordinator)
		}
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

// ExpireLeases lets go, durably, of what this manager is the coordinator of and nobody has renewed in time.
func (m *Participant) ExpireLeases() error {
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
	return m.Catalog.Update(func(d *catalog.Data) error {
		for _, store := range late {
			m.expireLease(d, store)
		}
		return nil
	})
}

// expireLease ends the pending change of a store where this manager is its coordinator and it was not renewed in time.
func (m *Participant) expireLease(d *catalog.Data, store string) {
	if p := d.Name(store).Prepared; p != nil && m.leaseExpired(p) && !m.isSuspect(d, store) {
		d.RecordDecision(decisionOf(p, false), m.Now())
	}
}

// coordinatorFenced says that the coordinator of a pending change decides nothing any more.
func (m *Participant) coordinatorFenced(d *catalog.Data, p *catalog.PreparedRecord) bool {
	n := d.Name(p.Store)
	return n.DeclaredLost || n.Replacing != "" || slices.Contains(n.Fenced, p.Coordinator)
}

func decidedByReplacement(p *catalog.PreparedRecord) *wire.Result {
	return wire.RefuseReplacing.With(p.Coordinator, p.ID)
}

func decisionOf(p *catalog.PreparedRecord, committed bool) catalog.DecisionRecord {
	return catalog.DecisionRecord{ID: p.ID, Store: p.Store, Action: p.Action, Epoch: p.Epoch, Digest: p.Digest, Committed: committed}
}
