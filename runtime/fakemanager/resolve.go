package fakemanager

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"dkvrun/runtime/wire"
)

// coordinatorClient queries coordinators: fakes of this or another process, or real managers.
var coordinatorClient = http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// resolveStore asks the store's coordinator, if it is another manager, for its decision about the operation that is
// prepared here, and follows it (I5). It returns a refusal if the coordinator does not answer: without its decision the
// operation stays prepared (I1).
func (m *manager) resolveStore(ctx context.Context, store string) *wire.Result {
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
	if there.Suspect { // it may have lost its decision
		if c := e.Configuration; c != nil && c.Coordinator == there.Manager {
			return wire.RefuseCoordinatorSilent.With(coordinator.URL + " had to fall back to an older catalog, and decides nothing")
		}
		return nil
	}
	if e.Prepared == nil {
		m.takeContent(e, &there)
		return nil
	}
	if e.Prepared.Coordinator != there.Manager {
		return nil
	}
	switch there.Of(e.Prepared.ID) {
	case wire.OperationPrepared:
	case wire.OperationCommitted:
		m.end(e, wire.OperationCommitted)
		m.takeContent(e, &there)
	default: // the coordinator votes first: if it does not know the operation, it has aborted it
		m.end(e, wire.OperationAborted)
	}
	return nil
}

// takeContent takes the coordinator's configuration if that is another content of the same operation (I7).
func (m *manager) takeContent(e *entry, there *wire.StoreState) {
	c, mine := there.Configuration, e.Configuration
	if c == nil || mine == nil || there.Prepared != nil || c.Coordinator != there.Manager {
		return
	}
	if keeps(c.Managers, m.identity) && c.LastOperation == mine.LastOperation && !c.SameContent(mine) {
		m.take(e, c, "")
		m.list = nil
	}
}

// coordinatorOf returns the coordinator of a store's prepared operation, or else of the store.
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

// ask returns a coordinator's state of a store.
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
	body, err := io.ReadAll(io.LimitReader(answer.Body, wire.MaxBody))
	if err == nil {
		err = wire.DecodeAnswer(body, &state)
	}
	if err != nil {
		return state, fmt.Errorf("%s: %w", coordinator.URL, err)
	}
	return state, nil
}

// resolve resolves all prepared operations every wire.ResolveEvery, until ctx ends.
func (g *group) resolve(ctx context.Context) {
	ticker := time.NewTicker(wire.ResolveEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		var round sync.WaitGroup
		for _, m := range g.managers {
			for _, store := range m.preparedStores() {
				round.Go(func() { m.resolveStore(ctx, store) }) // a silent coordinator is asked again in the next round
			}
		}
		round.Wait()
	}
}

// preparedStores returns the stores with a prepared operation, after expired ones were aborted.
func (m *manager) preparedStores() []string {
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
