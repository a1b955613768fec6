// Package netfault takes servers of a throw-away cluster off the network, without the rights of a system's
// administrator: each process of the cluster has the kernel drop, at its own TCP sockets, the packets
// that a firewall would.
//
// The runner has a Switchboard, to which every process is connected from before it listens. Both
// directions of a connection are dropped, each by the process that it comes in at; so a server has to
// be told apart by the address that it speaks from.
package netfault

import (
	"net/netip"
	"slices"
)

// View is the network as one process sees it.
type View struct {
	// Own is the address of the process's server; the zero value for the runner, which is of none.
	Own netip.Addr
	// Cut are the addresses of the servers that are cut off.
	Cut []netip.Addr
}

// Severed tells whether nothing passes between the process and an address. A server that is cut off
// reaches itself alone.
func (v View) Severed(address netip.Addr) bool {
	address = address.Unmap()
	if address == v.Own {
		return false
	}
	return slices.Contains(v.Cut, address) || slices.Contains(v.Cut, v.Own)
}
