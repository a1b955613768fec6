package etcd

import (
	"net"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver"
)

// severance holds the members that are cut off from the server. A member is mended only if it was cut: in a server that
// has joined, MendPeer starts the connection to a member of the initial list a second time, and then the server never
// stops.
type severance struct {
	server *etcdserver.EtcdServer
	cut    map[types.ID]bool
}

// set drops the messages to and from the members on severed hosts, and exchanges messages with all others. Packets
// can't be filtered by their source address: on loopback addresses the system chooses the address from which members
// connect.
func (s *severance) set(severed func(host string) bool) {
	for _, m := range s.server.Cluster().Members() {
		if m.ID == s.server.MemberID() {
			continue
		}
		host, _, err := net.SplitHostPort(address(m.PeerURLs))
		switch cut := err == nil && severed(host); {
		case cut && !s.cut[m.ID]:
			s.cut[m.ID] = true
			s.server.CutPeer(m.ID)
		case !cut && s.cut[m.ID]:
			delete(s.cut, m.ID)
			s.server.MendPeer(m.ID)
		}
	}
}

// end mends all members, so that the server can stop its connections.
func (s *severance) end() { s.set(func(string) bool { return false }) }
