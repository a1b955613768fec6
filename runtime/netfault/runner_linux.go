package netfault

import (
	"errors"
	"net/netip"
	"sync"
	"time"
)

// thisProcess filters the sockets of the runner's process. It is one for all clusters, because a filter applies to
// sockets whichever cluster they belong to.
var thisProcess runner

type runner struct {
	mu       sync.Mutex
	isolated map[*Controller][]netip.Addr // without controllers that isolate no server
	running  bool                         // whether run runs
	failed   error                        // of rescans since the last call of set
}

// set replaces the addresses that a controller isolates.
func (r *runner) set(c *Controller, addresses []netip.Addr) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(addresses) > 0:
		if r.isolated == nil {
			r.isolated = map[*Controller][]netip.Addr{}
		}
		r.isolated[c] = addresses
		if !r.running {
			r.running = true
			go r.run()
		}
	case r.isolated[c] == nil:
		return nil
	default:
		delete(r.isolated, c)
	}
	err := errors.Join(r.failed, r.apply())
	r.failed = nil
	return err
}

// run applies the filter again and again, to new sockets too, until no server is isolated.
func (r *runner) run() {
	tick := time.NewTicker(rescanInterval)
	defer tick.Stop()
	for range tick.C {
		r.mu.Lock()
		if len(r.isolated) == 0 {
			r.running = false
			r.mu.Unlock()
			return
		}
		if err := r.apply(); err != nil {
			r.failed = err
		}
		r.mu.Unlock()
	}
}

func (r *runner) apply() error {
	var v View
	for _, addresses := range r.isolated {
		v.Isolated = append(v.Isolated, addresses...)
	}
	return filterSockets(filter(v))
}
