package builtins

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/runtime/wire"
)

// underWay are the changes of topology that are being made, for an end of the run that waits for nothing. It
// has a lock of its own, which is never held for longer than it takes to look.
type underWay struct {
	mu      sync.Mutex
	changes map[string]string // by operation: what is said of it
}

// begin notes a change until done is called.
func (u *underWay) begin(builtin string, s *cluster.Session, c *wire.Operation) (done func()) {
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

// UnderWay names the changes of topology that are being made just now, each with what settles it. It may be
// called at any time.
func (r *Run) UnderWay() []string {
	r.changing.mu.Lock()
	defer r.changing.mu.Unlock()
	var out []string
	for _, id := range slices.Sorted(maps.Keys(r.changing.changes)) { // in the order in which they began
		out = append(out, r.changing.changes[id])
	}
	return out
}
