package etcd

import (
	"net"

	"go.etcd.io/etcd/server/v3/etcdserver"
)

// sever drops the messages to and from the members on severed hosts, and exchanges messages with all others. Packets
// can't be filtered by their source address: on loopback addresses the system chooses the address from which members
// connect.
func sever(server *etcdserver.EtcdServer, severed func(host string) bool) {
	for _, m := range server.Cluster().Members() {
		if m.ID == server.MemberID() {
			continue
		}
		if host, _, err := net.SplitHostPort(address(m.PeerURLs)); err == nil && severed(host) {
			server.CutPeer(m.ID)
		} else {
			server.MendPeer(m.ID)
		}
	}
}
