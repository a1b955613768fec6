package twophase

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"dkvrun/runtime/wire"
)

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
