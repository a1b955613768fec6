package fakemanager

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"dkvrun/runtime/wire"
)

// coordinatorClient asks the managers that decide. A home is a fake of this or another process, or a real manager.
var coordinatorClient = http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// settle asks a store's coordinator, where that is another manager, what became of the change that is pending here,
// and does the same. The refusal says that the coordinator gave no answer.
func (m *manager) settle(ctx context.Context, store string) *wire.Result {
	coordinator := m.coordinatorOf(store)
	if coordinator.URL == "" || coordinator.Identity == m.identity {
		return nil
	}
	there, err := ask(ctx, coordinator, store)
	if err != nil {
		return wire.RefuseCoordinatorSilent.With(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entry(store)
	if there.Suspect { // it may have forgotten what it decided
		if c := e.Configuration; c != nil && c.Coordinator == there.Manager {
			return wire.RefuseCoordinatorSilent.With(coordinator.URL + " had to fall back to an older catalog, and decides nothing")
		}
		return nil
	}
	if e.Prepared == nil || e.Prepared.Coordinator != there.Manager {
		return nil
	}
	switch there.Of(e.Prepared.ID) {
	case wire.OperationPrepared:
	case wire.OperationCommitted:
		m.end(e, wire.OperationCommitted)
	default: // the coordinator voted first: one that does not know the operation has undone it
		m.end(e, wire.OperationAborted)
	}
	return nil
}

// coordinatorOf is the manager that decides what is pending of a store, or what becomes of the store.
func (m *manager) coordinatorOf(store string) wire.Manager {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entry(store)
	var identity string
	var managers []wire.Manager
	switch {
	case e.Prepared != nil:
		identity, managers = e.Prepared.Coordinator, e.Prepared.Managers
	case e.Configuration != nil:
		identity, managers = e.Configuration.Coordinator, e.Configuration.Managers
	}
	if i := slices.IndexFunc(managers, func(w wire.Manager) bool { return w.Identity == identity }); i >= 0 {
		return managers[i]
	}
	return wire.Manager{}
}

// ask is what a coordinator has of a store.
func ask(ctx context.Context, coordinator wire.Manager, store string) (wire.StoreState, error) {
	var state wire.StoreState
	question, err := http.NewRequestWithContext(ctx, http.MethodGet, coordinator.URL+wire.StatePath(store), nil)
	if err != nil {
		return state, err
	}
	answer, err := coordinatorClient.Do(question)
	if err != nil {
		return state, err
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&state); err != nil {
		return state, fmt.Errorf("%s: %w", coordinator.URL, err)
	}
	return state, nil
}

// resolve settles every so often what stays pending, until ctx ends.
func (p *part) resolve(ctx context.Context) {
	ticker := time.NewTicker(wire.ResolveEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		var round sync.WaitGroup
		for _, m := range p.managers {
			for _, store := range m.pending() {
				round.Go(func() { m.settle(ctx, store) }) // a coordinator that is silent is asked again
			}
		}
		round.Wait()
	}
}

// pending are the stores of which a change is pending, once what has expired is gone.
func (m *manager) pending() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire()
	var names []string
	for _, e := range m.kept {
		if e.Prepared != nil {
			names = append(names, e.Prepared.Store)
		}
	}
	return names
}
