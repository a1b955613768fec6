package fakemanager

import (
	"time"

	"dkvrun/runtime/wire"
)

// prepare votes for an operation. In a dry run it only returns the first objection, or the epoch and the claims.
func (m *manager) prepare(r *request) any {
	c, digest, bad := m.group.changes.read(r)
	if bad != nil {
		return bad
	}
	e := m.entry(c.Store)
	if c.DryRun {
		if r := m.check(e, c); r != nil {
			return r
		}
		return wire.OperationStatus{
			ID: c.ID, State: wire.OperationUnknown, Manager: m.identity, Action: c.Action, Store: c.Store, Epoch: e.Epoch,
			Digest: digest, Claims: m.claims(c),
		}
	}
	_, known := m.operation(c.ID)
	switch {
	case known == nil:
		return m.vote(e, c, digest)
	case known.Digest != "" && known.Digest != digest:
		return wire.RefuseOperationDiffers.With(c.ID)
	case known.State == wire.OperationAborted:
		return wire.RefuseOperationAborted.With(c.ID)
	case known.State == wire.OperationPrepared:
		known.Epoch = max(known.Epoch, c.Epoch)
		e.Epoch, e.lastContact = max(e.Epoch, known.Epoch), time.Now()
	}
	return *known
}

// vote stores the prepared record of an operation, unless this manager objects or has seen its epoch (I1). From then on
// it does not refuse the commit (I4).
func (m *manager) vote(e *entry, c *wire.Operation, digest string) any {
	if r := m.check(e, c); r != nil {
		return r
	}
	if c.Epoch <= e.Epoch {
		r := wire.RefuseStaleEpoch.With(m.identity, e.Epoch, c.Store, c.Epoch)
		r.Epoch = e.Epoch
		return r
	}
	now := time.Now()
	since := now.UTC().Round(0)
	e.change, e.lastContact, e.Epoch = c, now, c.Epoch
	e.Prepared = &wire.OperationStatus{
		ID: c.ID, State: wire.OperationPrepared, Manager: m.identity, Action: c.Action, Store: c.Store, Epoch: c.Epoch,
		Digest: digest,
		Owner:  c.Owner, Coordinator: c.Coordinator, Managers: c.Managers, Since: &since,
	}
	return *e.Prepared
}

// operation returns the prepared or decision record of an operation and its entry, or nil.
func (m *manager) operation(id string) (*entry, *wire.OperationStatus) {
	for _, e := range m.kept {
		if e.Prepared != nil && e.Prepared.ID == id {
			return e, e.Prepared
		}
		for i := range e.Decisions {
			if e.Decisions[i].ID == id {
				return e, &e.Decisions[i]
			}
		}
	}
	return nil, nil
}

func (m *manager) getOperation(r *request) any {
	if _, op := m.operation(r.operation); op != nil {
		return *op
	}
	return wire.OperationStatus{ID: r.operation, State: wire.OperationUnknown, Manager: m.identity}
}

func (m *manager) getState(r *request) any {
	state := m.entry(r.store).StoreState
	if state.Store != r.store {
		state.Store, state.Configuration = r.store, nil // names are case-sensitive
	}
	state.Suspect = m.suspect
	return state
}

func (m *manager) commit(r *request) any {
	e, op := m.operation(r.operation)
	switch {
	case op == nil:
		return wire.RefuseOperationNotFound.With(r.operation)
	case op.State == wire.OperationAborted:
		return wire.RefuseOperationAborted.With(op.ID)
	case op.State == wire.OperationPrepared && op.Epoch != r.number("epoch"):
		return supersededEpoch(op, r.number("epoch"))
	case op.State == wire.OperationPrepared:
		return m.end(e, wire.OperationCommitted)
	}
	return *op
}

func (m *manager) abort(r *request) any {
	var a wire.AbortRequest
	if bad := r.decode(&a); bad != nil {
		return bad
	}
	e, op := m.operation(r.operation)
	switch {
	case op == nil:
		e = m.entry(a.Store)
		e.Decisions = append(e.Decisions, wire.OperationStatus{ID: r.operation, State: wire.OperationAborted,
			Manager: m.identity, Store: a.Store, Epoch: a.Epoch})
		return e.Decisions[len(e.Decisions)-1]
	case op.State == wire.OperationPrepared && op.Epoch > a.Epoch:
		return supersededEpoch(op, a.Epoch)
	case op.State == wire.OperationPrepared:
		return m.end(e, wire.OperationAborted)
	}
	return *op
}

func (m *manager) renew(r *request) any {
	e, op := m.operation(r.operation)
	switch {
	case op == nil:
		return wire.RefuseOperationNotFound.With(r.operation)
	case op.State == wire.OperationAborted:
		return wire.RefuseOperationAborted.With(op.ID)
	case op.State == wire.OperationPrepared && op.Coordinator != m.identity:
		return wire.RefuseRenewElsewhere.With(op.ID, op.Coordinator)
	case op.State == wire.OperationPrepared:
		e.lastContact = time.Now()
	}
	return *op
}

// end carries out the decision about the prepared operation and records it.
func (m *manager) end(e *entry, state wire.OperationState) wire.OperationStatus {
	c, p := e.change, e.Prepared
	e.change, e.Prepared, m.list = nil, nil, nil
	switch {
	case state != wire.OperationCommitted:
	case c.Removes():
		e.drop(c.ID)
	default:
		e.Store = c.Store
		m.take(e, &wire.Configuration{
			Creation: c.Creation, LastOperation: c.ID, Revision: c.BaseRevision + 1, Epoch: p.Epoch,
			Digest:      wire.Digest(c.Store, c.Nodes),
			Coordinator: c.Coordinator, Managers: c.Managers, Founders: c.Founders, Nodes: c.Nodes, ClusterTLS: c.ClusterTLS,
		}, c.Desired)
	}
	op := wire.OperationStatus{ID: p.ID, State: state, Manager: m.identity, Action: p.Action, Store: p.Store,
		Epoch: p.Epoch, Digest: p.Digest}
	e.Decisions = append(e.Decisions, op)
	return op
}

// expire aborts prepared operations whose lease has ended. Only the coordinator does so: the vote of another
// participant never expires (I1).
func (m *manager) expire() {
	for _, e := range m.kept {
		if e.Prepared != nil && e.Prepared.Coordinator == m.identity && time.Since(e.lastContact) > wire.ExpireAfter {
			m.end(e, wire.OperationAborted)
		}
	}
}
