package run

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/runtime/wire"
)

// inFlight holds the operations in flight, for a run that is forced to exit. It has its own lock, which is held only
// briefly, so that a signal handler can read it at any time.
type inFlight struct {
	mu      sync.Mutex
	changes map[string]string // the description of each operation, by its id
}

// begin adds an operation; done removes it.
func (u *inFlight) begin(builtin string, s *cluster.Session, c *wire.Operation) (done func()) {
	managers := "…"
	if len(s.Members()) <= 5 {
		managers = strings.ReplaceAll(cluster.Listed(s.Endpoints()), ", ", ",")
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.changes == nil {
		u.changes = map[string]string{}
	}
	u.changes[c.ID] = fmt.Sprintf("%s of %s, operation %s: the managers resolve it within a minute; to resolve it now: dkvrun -m %s -e 'repair_store(%q)'",
		builtin, c.Store, c.ID, managers, c.Store)
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.changes, c.ID)
	}
}

// list returns the description of each operation.
func (u *inFlight) list() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var out []string
	for _, id := range slices.Sorted(maps.Keys(u.changes)) { // in the order in which they began
		out = append(out, u.changes[id])
	}
	return out
}
