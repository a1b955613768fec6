package local

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Cut takes a server off the network until Heal: it goes on running, and everything that it sends to the
// others and to this process is lost, as is all that is sent to it. Servers that are cut off don't reach
// each other either. It stays cut off when it is killed and restarted.
func (c *Cluster) Cut(i int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	servers := maps.Clone(c.cut)
	servers[i] = true
	addresses, err := c.addresses("cut off", servers)
	if err != nil {
		return err
	}
	c.cut = servers // also after an error: Heal undoes what was done by then
	return c.controller.Set(addresses)
}

// Heal brings a server that was cut off back. What was sent meanwhile over connections that are open
// still arrives, as the system sends it again; that can take as long as the cut took.
func (c *Cluster) Heal(i int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.cut[i] {
		return nil
	}
	servers := maps.Clone(c.cut)
	delete(servers, i)
	addresses, err := c.addresses("healed", servers)
	if err != nil {
		return err
	}
	if err := c.controller.Set(addresses); err != nil {
		return err
	}
	c.cut = servers
	return nil
}

// addresses are those of servers that are to be cut off. It refuses where that can't be done now. The
// caller holds the lock.
func (c *Cluster) addresses(what string, servers map[int]bool) ([]netip.Addr, error) {
	for paused := range c.paused {
		return nil, fmt.Errorf("no server can be %s while server %d is paused, whose processes can't be told: resume it first", what, paused+1)
	}
	known := map[string]bool{}
	var addresses []netip.Addr
	for i, endpoint := range c.endpoints {
		host, _, err := net.SplitHostPort(endpoint)
		if err != nil {
			return nil, err
		}
		if known[host] {
			return nil, fmt.Errorf("no server can be %s where all have the one address %s: this system has no other loopback addresses", what, host)
		}
		known[host] = true
		if !servers[i] {
			continue
		}
		address, err := netip.ParseAddr(host)
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, address)
	}
	return addresses, nil
}

// dialTime is how long to wait for a server that is cut off to refuse a connection.
const dialTime = 100 * time.Millisecond

// listens returns when the manager of a server that is cut off listens. Nobody can ask it, but the system
// refuses connections to a port where nobody does, and lets those to it go unanswered.
func listens(ctx context.Context, m *manager) error {
	dialer := net.Dialer{Timeout: dialTime}
	ended := false
	err := until(ctx, startTime, func() bool {
		select {
		case <-m.done:
			ended = true
			return true
		default:
		}
		conn, err := dialer.DialContext(ctx, "tcp", m.endpoint)
		if err == nil {
			conn.Close()
		}
		return !errors.Is(err, syscall.ECONNREFUSED)
	})
	switch {
	case ended:
		return m.endedAtStart()
	case errors.Is(err, errLate):
		return fmt.Errorf("the manager on %s did not listen within %s%s", m.endpoint, startTime, m.lastWords())
	}
	return err
}
