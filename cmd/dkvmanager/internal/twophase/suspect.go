package twophase

import (
	"context"
	"errors"
	"slices"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// A manager whose catalog had to be taken from an older generation may have forgotten a vote. It takes no
// part in what is decided about a store until the store's home has told it how the store is; where it is
// the home itself it decides nothing, and counts as lost.

// suspects says whether this manager may have forgotten a vote about a store. About names that it does
// not know it can ask nobody: there it is suspect until it is started with a whole catalog.
func (m *Machine) suspects(d *catalog.Data, store string) bool {
	return slices.Contains(d.Doubtful, strings.ToLower(store)) || m.Suspect && d.Named(store) == nil
}

// doubtAll keeps, also for the starts to come, that every store is doubtful, and all that is being voted for.
func doubtAll(d *catalog.Data) {
	for name := range d.Stores {
		d.Doubtful = append(d.Doubtful, strings.ToLower(name))
	}
	for key, n := range d.Names {
		if n.Prepared != nil {
			d.Doubtful = append(d.Doubtful, key)
		}
	}
	slices.Sort(d.Doubtful)
	d.Doubtful = slices.Compact(d.Doubtful)
}

// trust ends the doubt about a store.
func trust(d *catalog.Data, store string) {
	d.Doubtful = slices.DeleteFunc(d.Doubtful, func(key string) bool { return key == strings.ToLower(store) })
}

// checkSuspect refuses to vote, and to decide, by a memory that may have a gap.
func (m *Machine) checkSuspect(d *catalog.Data, store string) *wire.Result {
	if !m.suspects(d, store) {
		return nil
	}
	r := refuse(wire.CodeSuspect, "manager %s had to fall back to an older generation of its catalog, and may have forgotten what it voted for of %s", m.self(), store)
	r.Hint = "it takes the store from the manager that decides about it; when it decides itself, repair_store with lost = its host"
	return r
}

// catchUp takes a store whole from its home, and with it how everything ended that this manager held. One
// that has no more of the store than a vote may not be to keep it.
func (m *Machine) catchUp(store string, there *wire.StoreState) error {
	err := m.Catalog.Update(func(d *catalog.Data) error {
		n, s := d.Name(store), d.Stores[store]
		coordinator := s != nil && there.Manager == s.Coordinator || s == nil && n.Prepared != nil && there.Manager == n.Prepared.Coordinator
		if !coordinator || there.Prepared != nil || there.Repairing != "" {
			return nil
		}
		switch c := there.Configuration; {
		case c != nil && keeps(c.Managers, m.self()):
			if s != nil && s.Creation != c.Creation { // removed and created anew since the older generation
				d.RemoveStore(store)
				s = nil
			}
			m.take(d, store, c, how{founding: s == nil && c.Revision == 1})
		case s != nil && c == nil && there.Removed != "":
			Remove(d, store, there.Removed)
		case s != nil:
			return nil
		}
		if n.Prepared != nil {
			d.RecordDecision(decisionOf(n.Prepared, there.Of(n.Prepared.ID) == wire.OperationCommitted), m.Now())
		}
		d.SetName(store, func(n *catalog.Name) { n.Epoch = max(n.Epoch, there.Epoch) })
		trust(d, store)
		return nil
	})
	m.hear(suspicion(store))
	return err
}

// release drops a change of a new store that this manager, as its home, can't decide about, once the others
// have decided without it. They decide when it was declared lost.
func (m *Machine) release(ctx context.Context, p *catalog.PreparedRecord) error {
	d := m.Catalog.Snapshot()
	if !m.suspects(d, p.Store) || d.Named(p.Store) != nil { // with a store, Tend learns it
		return nil
	}
	var all []error
	for _, w := range p.Managers {
		if w.Identity == m.self() {
			continue
		}
		there, err := m.Peers.State(ctx, w.URL, p.Store)
		if err == nil && there.Manager == w.Identity && slices.Contains(there.Fenced, m.self()) {
			return m.Catalog.Update(func(d *catalog.Data) error {
				d.RecordDecision(decisionOf(p, false), m.Now())
				trust(d, p.Store)
				return nil
			})
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

// suspicion is what the silence of a suspect store's home is measured under.
func suspicion(store string) string { return "suspect " + strings.ToLower(store) }
