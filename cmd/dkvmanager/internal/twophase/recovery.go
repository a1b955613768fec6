package twophase

import (
	"context"
	"errors"
	"maps"
	"slices"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// Resolve ends what can be ended: it ends what expired here, and asks the coordinators about everything
// else that is pending. The error says which coordinators gave no answer; what they decide stays pending.
func (m *Participant) Resolve(ctx context.Context) error {
	all := []error{m.ExpireLeases()}
	names := m.Catalog.Snapshot().Names
	for _, key := range slices.Sorted(maps.Keys(names)) {
		n := names[key]
		switch p := n.Prepared; {
		case p == nil, n.Replacing != "", n.DeclaredLost:
		case !m.coordinates(p):
			all = append(all, m.followCoordinator(ctx, p))
		default:
			all = append(all, m.dropReplaced(ctx, p))
		}
	}
	return errors.Join(all...)
}

// followCoordinator does with a pending change what its home did. A home that does not know the operation has
// undone it: it voted first, and no later operation passes while anyone still holds this one.
func (m *Participant) followCoordinator(ctx context.Context, p *catalog.PreparedRecord) error {
	coordinator, err := m.Peers.State(ctx, urlOf(p.Managers, p.Coordinator), p.Store)
	if err != nil {
		return err
	}
	if coordinator.Manager != p.Coordinator {
		return nil // another manager under that address: its word counts for nothing
	}
	if coordinator.Suspect {
		return nil // it may have forgotten what it decided
	}
	m.touch(p.ID)
	if m.isSuspect(m.Catalog.Snapshot(), p.Store) {
		return m.recoverSuspect(p.Store, &coordinator)
	}
	if slices.Contains(coordinator.Fenced, m.self()) {
		// What it held may be long superseded there: its vote stays, and the store goes on without it.
		return m.Catalog.Update(func(d *catalog.Data) error { return markDeclaredLost(d, p.Store) })
	}
	// I1 and I5: a participant in doubt takes the coordinator's decision and takes none itself.
	switch coordinator.Of(p.ID) {
	case wire.OperationPrepared:
		return nil
	case wire.OperationCommitted:
		_, err = m.Commit(p.ID, p.Epoch)
	default:
		_, err = m.Abort(p.ID, wire.AbortRequest{Store: p.Store, Epoch: p.Epoch})
	}
	var refused *wire.Result
	if errors.As(err, &refused) && refused.Code != wire.CodeReadOnly {
		return nil // it ended while the coordinator was asked
	}
	return err
}

func urlOf(managers []wire.Manager, identity string) string {
	for _, w := range managers {
		if w.Identity == identity {
			return w.URL
		}
	}
	return ""
}
