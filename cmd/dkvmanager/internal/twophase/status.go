package twophase

import (
	"maps"
	"slices"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// Operation says what has become of an operation here. Without trace of it the state is unknown. What
// has expired is let go first: others follow this answer, so it has to be durable.
func (m *Participant) Operation(id string) (wire.OperationStatus, error) {
	if err := m.ExpireLeases(); err != nil {
		return wire.OperationStatus{}, err
	}
	d := m.Catalog.Snapshot()
	if p := d.Prepared(id); p != nil {
		return m.preparedStatus(p), nil
	}
	if x := d.Decision(id); x != nil {
		return m.decisionStatus(x), nil
	}
	return wire.OperationStatus{ID: id, State: wire.OperationUnknown, Manager: m.self()}, nil
}

// Operations lists by store what is pending and what was decided.
func (m *Participant) Operations() []wire.OperationStatus {
	d := m.Catalog.Snapshot()
	out := []wire.OperationStatus{}
	for _, key := range slices.Sorted(maps.Keys(d.Names)) {
		n := d.Names[key]
		for i := range n.Decisions {
			out = append(out, m.decisionStatus(&n.Decisions[i]))
		}
		if n.Prepared != nil {
			out = append(out, m.preparedStatus(n.Prepared))
		}
	}
	return out
}

// State says what this manager has of a store. What has expired is let go first.
func (m *Participant) State(store string) (wire.StoreState, error) {
	if err := m.ExpireLeases(); err != nil {
		return wire.StoreState{}, err
	}
	d := m.Catalog.Snapshot()
	n := d.Name(store)
	out := wire.StoreState{
		Manager: m.self(), Store: store, Epoch: n.Epoch, Removed: n.Removed, Prepared: m.PreparedOf(d, store),
		Fenced: n.Fenced, Replacing: n.Replacing, Suspect: m.isSuspect(d, store),
	}
	if s := d.Stores[store]; s != nil {
		out.Configuration = s.Configuration()
	}
	for i := range n.Decisions {
		out.Decisions = append(out.Decisions, m.decisionStatus(&n.Decisions[i]))
	}
	return out, nil
}

// PreparedOf is the change of a store that is not decided, or nil.
func (m *Participant) PreparedOf(d *catalog.Data, store string) *wire.OperationStatus {
	p := d.Name(store).Prepared
	if p == nil {
		return nil
	}
	op := m.preparedStatus(p)
	return &op
}

func (m *Participant) preparedStatus(p *catalog.PreparedRecord) wire.OperationStatus {
	since := p.Since
	return wire.OperationStatus{
		ID: p.ID, State: wire.OperationPrepared, Manager: m.self(), Action: p.Action, Store: p.Store,
		Epoch: p.Epoch, Digest: p.Digest, Owner: p.Owner, Coordinator: p.Coordinator, Managers: p.Managers, Since: &since,
	}
}

func (m *Participant) decisionStatus(x *catalog.DecisionRecord) wire.OperationStatus {
	state := wire.OperationAborted
	if x.Committed {
		state = wire.OperationCommitted
	}
	return wire.OperationStatus{
		ID: x.ID, State: state, Manager: m.self(), Action: x.Action, Store: x.Store, Epoch: x.Epoch, Digest: x.Digest,
	}
}
