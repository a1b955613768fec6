// Package netfault isolates servers of a throw-away cluster from the network, without root: each process of the
// cluster attaches a filter to its own TCP sockets, with which the kernel drops packets as a firewall would.
//
// The runner has a Controller. Every process of the cluster connects to it before it listens. Both directions of a
// connection are dropped, each by the process that receives the packets. The filter knows a server by the source
// address of its packets, so each server needs a different address, and has to connect from it.
package netfault

import (
	"net/netip"
	"slices"
)

// View is the network as one process sees it.
type View struct {
	// Own is the address of the process's server; the zero value in the runner, which belongs to no server.
	Own netip.Addr
	// Isolated has the addresses of the isolated servers.
	Isolated []netip.Addr
}

// Blocked reports whether no packets pass between the process and an address. An isolated server reaches only itself.
func (v View) Blocked(address netip.Addr) bool {
	address = address.Unmap()
	if address == v.Own {
		return false
	}
	return slices.Contains(v.Isolated, address) || slices.Contains(v.Isolated, v.Own)
}
