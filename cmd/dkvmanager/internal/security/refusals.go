package security

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// refusals has why other managers refuse this one's certificate. A manager that is revoked learns it from them alone:
// they don't let it read the line of the access log.
type refusals struct {
	mu sync.Mutex
	by map[string]string // the reason, by the identity of the manager that gives it
}

// Refused notes that another manager refuses this one's certificate, and why, or that it accepts it, with an empty
// reason. It reports whether it is the first that refuses it.
func (m *Member) Refused(by, why string) (first bool) {
	r := &m.refusals
	r.mu.Lock()
	defer r.mu.Unlock()
	if why == "" {
		delete(r.by, by)
		return false
	}
	if r.by == nil {
		r.by = map[string]string{}
	}
	first = len(r.by) == 0
	r.by[by] = why
	return first
}

// Refusals says that other managers refuse this one, why, and what to do, or returns "".
func (m *Member) Refusals() string {
	r := &m.refusals
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.by) == 0 {
		return ""
	}
	who := "one other manager refuses"
	if n := len(r.by); n > 1 {
		who = fmt.Sprintf("%d other managers refuse", n)
	}
	first := slices.Min(slices.Collect(maps.Keys(r.by)))
	return fmt.Sprintf("%s this one: %s: if it was revoked, stop it, and let its server join again: dkvmanager token "+
		"on the server with the authority's key, then dkvmanager join ADDRESS TOKEN --again here", who, r.by[first])
}
