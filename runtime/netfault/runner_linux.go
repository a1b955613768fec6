package netfault

import (
	"errors"
	"net/netip"
	"sync"
	"time"
)

// here is this process where it is a runner: however many clusters it has, its sockets are one set.
var here runner

type runner struct {
	mu      sync.Mutex
	cut     map[*Switchboard][]netip.Addr // those on which anybody is cut off
	running bool                          // run is
	failed  error                         // a sweep's since the last order
}

// set says who is cut off on one switchboard.
func (r *runner) set(s *Switchboard, addresses []netip.Addr) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(addresses) > 0:
		if r.cut == nil {
			r.cut = map[*Switchboard][]netip.Addr{}
		}
		r.cut[s] = addresses
		if !r.running {
			r.running = true
			go r.run()
		}
	case r.cut[s] == nil:
		return nil
	default:
		delete(r.cut, s)
	}
	err := errors.Join(r.failed, r.sweep())
	r.failed = nil
	return err
}

// run sweeps until nobody is cut off any more.
func (r *runner) run() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for range tick.C {
		r.mu.Lock()
		if len(r.cut) == 0 {
			r.running = false
			r.mu.Unlock()
			return
		}
		if err := r.sweep(); err != nil {
			r.failed = err
		}
		r.mu.Unlock()
	}
}

func (r *runner) sweep() error {
	var v View
	for _, addresses := range r.cut {
		v.Cut = append(v.Cut, addresses...)
	}
	return sweep(filter(v))
}
