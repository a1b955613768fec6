package supervisor

import (
	"fmt"
	"net/http"

	"dkvrun/runtime/wire"
)

// refusal returns a failed result. The caller fills in Operation.
func refusal(status int, code, format string, args ...any) *wire.Result {
	return &wire.Result{StatusCode: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// beingRemoved returns the refusal of an action on an instance that is leaving.
func beingRemoved(p place) *wire.Result {
	return refusal(http.StatusNotFound, wire.CodeInstanceNotFound, "%s is being removed from store %s: it stops by itself", p.instance, p.store)
}

// find returns an own instance's worker and desired state. The error is a *wire.Result.
func (s *Supervisor) find(store, instance string) (*worker, desiredState, error) {
	p := place{store, instance}
	s.mu.Lock()
	want, w := s.desiredOf(p), s.workers[p]
	s.mu.Unlock()
	if want.store == nil {
		return nil, want, refusal(http.StatusNotFound, wire.CodeStoreNotFound, "there is no store %s on this manager", store)
	}
	if want.kind == desireGone {
		return nil, want, refusal(http.StatusNotFound, wire.CodeInstanceNotFound, "store %s has no instance %s", store, instance)
	}
	if want.kind != desireLeave && !s.opts.Owns(want.node) {
		return nil, want, refusal(http.StatusConflict, wire.CodeNotThisHost, "%s is on %s: ask that server's manager", instance, want.node.Host)
	}
	return w, want, nil
}
