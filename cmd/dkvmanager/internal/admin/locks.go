package admin

import (
	"strings"
	"sync"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/twophase"
	"dkvrun/runtime/wire"
)

// locks serialises changes. Changes of different instances of a store may overlap; a change of the store itself
// excludes all others. No request waits: the second change is refused with store_busy.
type locks struct {
	mu sync.Mutex
	// held holds the stores (in lower case) and instances that are being changed; "" stands for the store itself.
	held map[string]map[string]bool
}

// take locks an instance, or the whole store if instance is empty.
func (l *locks) take(store, instance string) (release func(), err error) {
	key := strings.ToLower(store)
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.held[key]
	if held[""] || instance == "" && len(held) > 0 {
		return nil, wire.RefuseLocked.With(store)
	}
	if held[instance] {
		return nil, wire.RefuseLocked.With(instance)
	}
	if held == nil {
		if l.held == nil {
			l.held = map[string]map[string]bool{}
		}
		held = map[string]bool{}
		l.held[key] = held
	}
	held[instance] = true
	return func() { l.release(key, instance) }, nil
}

func (l *locks) release(key, instance string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held[key], instance)
	if len(l.held[key]) == 0 {
		delete(l.held, key)
	}
}

// checkNoPending refuses a change of a store that has a prepared operation or an unfinished coordinator replacement.
// The records of a manager that was itself declared lost no longer count.
func checkNoPending(d *catalog.Data, store string) error {
	n := d.Name(store)
	switch {
	case n.DeclaredLost:
		return nil
	case n.Prepared != nil:
		return twophase.Busy(n.Prepared)
	case n.Replacing != "":
		return wire.RefuseReplacementUnfinished.With(store, n.Replacing)
	}
	return nil
}
