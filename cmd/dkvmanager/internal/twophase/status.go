package twophase

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

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

// Confirm says why it is not certain that all managers of a store have this change as its last one, and
// that none is under way; nil when it is certain. What has been changed since, this manager has voted for.
func (m *Participant) Confirm(ctx context.Context, store, change string) error {
	d := m.Catalog.Snapshot()
	s := d.Stores[store]
	if s == nil || d.Name(store).DeclaredLost || !hasManager(s.Managers, m.self()) {
		return fmt.Errorf("this manager is none of those that keep %s", store)
	}
	var all sync.WaitGroup
	slots := make(chan struct{}, maxConfirmQueries)
	doubts := make([]error, len(s.Managers))
	for i, w := range s.Managers {
		slots <- struct{}{}
		all.Go(func() {
			doubts[i] = m.confirmOne(ctx, w, store, change)
			<-slots
		})
	}
	all.Wait()
	for _, doubt := range doubts {
		if doubt != nil {
			return doubt
		}
	}
	return nil
}

// maxConfirmQueries lets Agreed end in time where thousands of managers keep a store.
const maxConfirmQueries = 32

// confirmOne is nil when a manager has this change as its last one.
func (m *Participant) confirmOne(ctx context.Context, w wire.Manager, store, change string) error {
	var there wire.StoreState
	var err error
	if w.Identity == m.self() {
		there, err = m.State(store)
	} else {
		there, err = m.Peers.State(ctx, w.URL, store)
	}
	if err != nil {
		return err
	}
	if why := m.mismatch(w, &there, change); why != "" {
		return fmt.Errorf("the manager on %s %s", w.URL, why)
	}
	return nil
}

// mismatch says what keeps a manager's state from vouching for a change as the last one.
func (m *Participant) mismatch(w wire.Manager, there *wire.StoreState, change string) string {
	switch {
	case there.Manager != w.Identity:
		return "is another one by now"
	case there.Suspect:
		return "had to fall back to an older catalog"
	case slices.Contains(there.Fenced, m.self()):
		return "goes on without this one"
	case there.Prepared != nil || there.Replacing != "":
		return "has a change under way"
	case there.Configuration == nil || there.Configuration.LastOperation != change:
		return "has another configuration"
	}
	return ""
}
