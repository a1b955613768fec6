package fanout

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// nameTime is the time for which the addresses of a name are cached.
const nameTime = time.Minute

// resolver looks up each name once for all requests.
type resolver struct {
	ctx    context.Context // ends with the client: a look-up serves other requests than the one that started it
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	mu     sync.Mutex
	names  map[string]*name
}

type name struct {
	done  chan struct{} // closed when the rest is set
	until time.Time
	addrs []netip.Addr
	err   error
}

// resolve returns the addresses of a host, in the order in which to try them.
func (r *resolver) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	n := r.find(host)
	select {
	case <-n.done:
		return n.addrs, n.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *resolver) find(host string) *name {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.names[host]; n != nil {
		select {
		case <-n.done:
			if time.Now().Before(n.until) {
				return n
			}
		default:
			return n
		}
	}
	n := &name{done: make(chan struct{})}
	r.names[host] = n
	go func() {
		n.addrs, n.err = r.lookup(r.ctx, "ip", host)
		if n.err == nil { // a failure goes to the requests that wait for it, and is not cached
			n.until = time.Now().Add(nameTime)
		}
		close(n.done)
	}()
	return n
}
