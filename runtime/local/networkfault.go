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

// Cut isolates a server from the network until Heal. The server keeps running, but all packets between it and the other
// servers or this process are dropped, also if the other server is cut off as well. It stays cut off when it is killed
// and restarted.
func (c *Cluster) Cut(i int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	servers := maps.Clone(c.cut)
	servers[i] = true
	addresses, err := c.addresses("cut off", servers)
	if err != nil {
		return err
	}
	c.cut = servers // also after an error, so that Heal removes the filters that were attached
	return c.controller.Set(addresses)
}

// Heal ends the isolation of a server. The system retransmits on connections that stayed open, which can take as long
// as the cut took.
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

// addresses returns the addresses of servers, or an error if the filters can't be changed now: a paused process can't
// apply them, and servers with the same address can't be told apart by it. The parameter what names the intended change
// in the error. The caller holds the lock.
func (c *Cluster) addresses(what string, servers map[int]bool) ([]netip.Addr, error) {
	for paused := range c.paused {
		return nil, fmt.Errorf("no server can be %s while server %d is paused: resume it first", what, paused+1)
	}
	known := map[string]bool{}
	var addresses []netip.Addr
	for i, endpoint := range c.endpoints {
		host, _, err := net.SplitHostPort(endpoint)
		if err != nil {
			return nil, err
		}
		if known[host] {
			return nil, fmt.Errorf("no server can be %s: all servers have the same address %s, because this system has no other loopback addresses",
				what, host)
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

// dialTime is how long to wait until a server that is cut off refuses a connection.
const dialTime = 100 * time.Millisecond

// listens returns when the manager of a server that is cut off listens. It can't answer requests, but the system
// refuses connections only to ports on which no process listens; a connection to this manager times out.
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
		return fmt.Errorf("the manager on %s did not listen within %s%s", m.endpoint, startTime, m.logTail())
	}
	return err
}
