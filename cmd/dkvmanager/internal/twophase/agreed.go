package twophase

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"dkvrun/runtime/wire"
)

// Agreed says why it is not certain that all managers of a store have this change as its last one, and
// that none is under way; nil when it is certain. What has been changed since, this manager has voted for.
func (m *Machine) Agreed(ctx context.Context, store, change string) error {
	d := m.Catalog.Snapshot()
	s := d.Stores[store]
	if s == nil || d.Name(store).Out || !keeps(s.Managers, m.self()) {
		return fmt.Errorf("this manager is none of those that keep %s", store)
	}
	var all sync.WaitGroup
	slots := make(chan struct{}, askedAtOnce)
	doubts := make([]error, len(s.Managers))
	for i, w := range s.Managers {
		slots <- struct{}{}
		all.Go(func() {
			doubts[i] = m.vouches(ctx, w, store, change)
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

// askedAtOnce lets Agreed end in time where thousands of managers keep a store.
const askedAtOnce = 32

// vouches is nil when a manager has this change as its last one.
func (m *Machine) vouches(ctx context.Context, w wire.Manager, store, change string) error {
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
	if why := m.doubts(w, &there, change); why != "" {
		return fmt.Errorf("the manager on %s %s", w.URL, why)
	}
	return nil
}

// doubts says what keeps a manager's state from vouching for a change as the last one.
func (m *Machine) doubts(w wire.Manager, there *wire.StoreState, change string) string {
	switch {
	case there.Manager != w.Identity:
		return "is another one by now"
	case there.Suspect:
		return "had to fall back to an older catalog"
	case slices.Contains(there.Fenced, m.self()):
		return "goes on without this one"
	case there.Prepared != nil || there.Repairing != "":
		return "has a change under way"
	case there.Configuration == nil || there.Configuration.LastOperation != change:
		return "has another configuration"
	}
	return ""
}
