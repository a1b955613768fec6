package etcd

import (
	"net"

	"go.etcd.io/etcd/server/v3/etcdserver"
)

// sever drops the messages to and from the members on severed hosts, and lets those with all others
// pass. The packets between them can't be told from those of other members by where they come from: on
// loopback addresses members speak from whichever the system takes.
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
