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

// inFlight are the changes of topology that are being made, for an end of the run that waits for nothing. It
// has a lock of its own, which is never held for longer than it takes to look.
type inFlight struct {
	mu      sync.Mutex
	changes map[string]string // by operation: what is said of it
}

// begin notes a change until done is called.
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
	u.changes[c.ID] = fmt.Sprintf("%s of %s, operation %s: the managers settle it within a minute; at once: dkvrun -m %s -e 'repair_store(%q)'",
		builtin, c.Store, c.ID, managers, c.Store)
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.changes, c.ID)
	}
}

// list returns what is said of each change.
func (u *inFlight) list() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var out []string
	for _, id := range slices.Sorted(maps.Keys(u.changes)) { // in the order in which they began
		out = append(out, u.changes[id])
	}
	return out
}
