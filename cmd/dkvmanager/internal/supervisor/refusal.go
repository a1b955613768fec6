package supervisor

import (
	"fmt"
	"net/http"

	"dkvrun/runtime/wire"
)

// refusal is a failed result. The caller fills in Operation.
func refusal(status int, code, format string, args ...any) *wire.Result {
	return &wire.Result{StatusCode: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// beingRemoved refuses an action on an instance that is leaving.
func beingRemoved(p place) *wire.Result {
	return refusal(http.StatusNotFound, wire.CodeInstanceNotFound, "%s is being removed from store %s: it stops by itself", p.instance, p.store)
}

// find looks up an own instance and its worker. The error is a *wire.Result.
func (s *Supervisor) find(store, instance string) (*worker, goal, error) {
	p := place{store, instance}
	s.mu.Lock()
	g, w := s.goalOf(p), s.workers[p]
	s.mu.Unlock()
	if g.store == nil {
		return nil, g, refusal(http.StatusNotFound, wire.CodeStoreNotFound, "there is no store %s on this manager", store)
	}
	if g.kind == goalGone {
		return nil, g, refusal(http.StatusNotFound, wire.CodeInstanceNotFound, "store %s has no instance %s", store, instance)
	}
	if g.kind != goalLeave && !s.opts.Owns(g.node) {
		return nil, g, refusal(http.StatusConflict, wire.CodeNotThisHost, "%s is on %s: ask that server's manager", instance, g.node.Host)
	}
	return w, g, nil
}
