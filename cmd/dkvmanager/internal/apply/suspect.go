package apply

import (
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

// doubtAll keeps, also for the starts to come, that every store is doubtful.
func doubtAll(d *catalog.Data) {
	for name := range d.Stores {
		if key := strings.ToLower(name); !slices.Contains(d.Doubtful, key) {
			d.Doubtful = append(d.Doubtful, key)
		}
	}
	slices.Sort(d.Doubtful)
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

// catchUp takes a store whole from its home, and with it how everything ended that this manager held.
func (m *Machine) catchUp(store string, there *wire.StoreState) error {
	err := m.Catalog.Update(func(d *catalog.Data) error {
		n, s := d.Name(store), d.Stores[store]
		if s == nil || there.Manager != s.Home || there.Pending != nil || there.Repairing != "" {
			return nil
		}
		switch c := there.Configuration; {
		case c == nil && there.Removed != "":
			Remove(d, store, there.Removed)
		case c != nil && keeps(c.Managers, m.self()):
			m.take(d, store, c, how{})
		default:
			return nil
		}
		if n.Pending != nil {
			d.Decide(ended(n.Pending, there.Of(n.Pending.ID) == wire.OperationCommitted), m.Now())
		}
		d.SetName(store, func(n *catalog.Name) { n.Epoch = max(n.Epoch, there.Epoch) })
		d.Doubtful = slices.DeleteFunc(d.Doubtful, func(key string) bool { return key == strings.ToLower(store) })
		return nil
	})
	m.hear(suspicion(store))
	return err
}

// suspicion is what the silence of a suspect store's home is measured under.
func suspicion(store string) string { return "suspect " + strings.ToLower(store) }
