package admin

import (
	"net/netip"
	"sync"

	"dkvrun/runtime/wire"
)

const (
	// maxWaiting is the largest number of requests that wait for other managers at a time, maxWaitingOfOne that of one
	// client address. Each keeps its connection and its slot for up to resolveTimeout.
	maxWaiting      = 256
	maxWaitingOfOne = 128
	// maxStrange is the largest number of requests, of those, that query a manager which only the request names.
	maxStrange = 2
)

// waiting counts the requests that wait for the answers of other managers. Who answers there decides how long they
// wait, so that without a bound a few clients could take all connections.
type waiting struct {
	mu           sync.Mutex
	all, strange int
	of           map[netip.Addr]int
}

// enter counts a request of a client until leave is called, or refuses it.
func (w *waiting) enter(client netip.Addr) (leave func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all >= maxWaiting || w.of[client] >= maxWaitingOfOne {
		return nil, wire.Refuse(wire.CodeTooBusy, "%d requests are waiting for other managers, %d of them from %s: try again later",
			w.all, w.of[client], client)
	}
	if w.of == nil {
		w.of = map[netip.Addr]int{}
	}
	w.all++
	w.of[client]++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.all--
		if w.of[client]--; w.of[client] == 0 {
			delete(w.of, client)
		}
	}, nil
}

// introduce reports whether a request may query a manager that only the request names. If so, introduced must be called
// after the answer.
func (w *waiting) introduce() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.strange >= maxStrange {
		return false
	}
	w.strange++
	return true
}

func (w *waiting) introduced() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.strange--
}
