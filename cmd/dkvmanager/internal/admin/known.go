package admin

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// knownClients holds the addresses of the managers that stores and votes of the catalog name, and of the members of the
// cluster.
type knownClients struct {
	addresses atomic.Pointer[map[netip.Addr]bool]
}

// has reports whether slots are kept for a client: it is on this machine, or is a manager that the catalog names
// or that is a member.
func (k *knownClients) has(client netip.Addr) bool {
	if client.IsLoopback() {
		return true
	}
	known := k.addresses.Load()
	return known != nil && (*known)[client]
}

const (
	// knownEvery is the interval at which names of managers are resolved.
	knownEvery = time.Minute
	// maxLookups bounds the names that are resolved at a time, lookupTimeout the time for all of them.
	maxLookups    = 64
	lookupTimeout = 10 * time.Second
)

// refresh replaces the addresses by those of the catalog and of the members.
func (k *knownClients) refresh(ctx context.Context, d *catalog.Data, members []wire.Manager) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	hosts := map[string]bool{}
	add := func(managers []wire.Manager) {
		for _, m := range managers {
			if u, err := url.Parse(m.URL); err == nil {
				hosts[u.Hostname()] = true
			}
		}
	}
	add(members)
	for _, s := range d.Stores {
		add(s.Managers)
	}
	for _, n := range d.Names {
		if n.Prepared != nil {
			add(n.Prepared.Managers)
		}
	}
	addresses := map[netip.Addr]bool{}
	lookups := 0
	for host := range hosts {
		if ip, err := netip.ParseAddr(host); err == nil {
			addresses[ip.Unmap()] = true
			continue
		}
		if lookups++; lookups > maxLookups {
			continue
		}
		found, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", host) // a name without an address has no slots
		for _, ip := range found {
			addresses[ip.Unmap()] = true
		}
	}
	k.addresses.Store(&addresses)
}

// run refreshes the addresses until ctx is done.
func (k *knownClients) run(ctx context.Context, snapshot func() *catalog.Data, members func() []wire.Manager) {
	ticker := time.NewTicker(knownEvery)
	defer ticker.Stop()
	for {
		k.refresh(ctx, snapshot(), members())
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
