package twophase

import (
	"maps"
	"slices"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// Operation says what has become of an operation here. Without trace of it the state is unknown. What
// has expired is let go first: others follow this answer, so it has to be durable.
func (m *Machine) Operation(id string) (wire.OperationStatus, error) {
	if err := m.Expire(); err != nil {
		return wire.OperationStatus{}, err
	}
	d := m.Catalog.Snapshot()
	if p := d.Pending(id); p != nil {
		return m.pending(p), nil
	}
	if x := d.Decision(id); x != nil {
		return m.decided(x), nil
	}
	return wire.OperationStatus{ID: id, State: wire.OperationUnknown, Manager: m.self()}, nil
}

// Operations lists by store what is pending and what was decided.
func (m *Machine) Operations() []wire.OperationStatus {
	d := m.Catalog.Snapshot()
	out := []wire.OperationStatus{}
	for _, key := range slices.Sorted(maps.Keys(d.Names)) {
		n := d.Names[key]
		for i := range n.Decided {
			out = append(out, m.decided(&n.Decided[i]))
		}
		if n.Pending != nil {
			out = append(out, m.pending(n.Pending))
		}
	}
	return out
}

// State says what this manager has of a store. What has expired is let go first.
func (m *Machine) State(store string) (wire.StoreState, error) {
	if err := m.Expire(); err != nil {
		return wire.StoreState{}, err
	}
	d := m.Catalog.Snapshot()
	n := d.Name(store)
	out := wire.StoreState{
		Manager: m.self(), Store: store, Epoch: n.Epoch, Removed: n.Removed, Pending: m.PendingOf(d, store),
		Fenced: n.Fenced, Repairing: n.Repairing, Suspect: m.suspects(d, store),
	}
	if s := d.Stores[store]; s != nil {
		out.Configuration = s.Configuration()
	}
	for i := range n.Decided {
		out.Decided = append(out.Decided, m.decided(&n.Decided[i]))
	}
	return out, nil
}

// PendingOf is the change of a store that is not decided, or nil.
func (m *Machine) PendingOf(d *catalog.Data, store string) *wire.OperationStatus {
	p := d.Name(store).Pending
	if p == nil {
		return nil
	}
	op := m.pending(p)
	return &op
}

func (m *Machine) pending(p *catalog.Pending) wire.OperationStatus {
	since := p.Since
	return wire.OperationStatus{
		ID: p.ID, State: wire.OperationPending, Manager: m.self(), Action: p.Action, Store: p.Store,
		Epoch: p.Epoch, Digest: p.Digest, Owner: p.Owner, Coordinator: p.Coordinator, Managers: p.Managers, Since: &since,
	}
}

func (m *Machine) decided(x *catalog.Decision) wire.OperationStatus {
	state := wire.OperationAborted
	if x.Committed {
		state = wire.OperationCommitted
	}
	return wire.OperationStatus{
		ID: x.ID, State: state, Manager: m.self(), Action: x.Action, Store: x.Store, Epoch: x.Epoch, Digest: x.Digest,
	}
}
