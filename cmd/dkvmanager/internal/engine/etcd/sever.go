package etcd

import (
	"net"
	"sync"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver"
)

// severance holds the members that are cut off from the server. A member is mended only if it was cut: in a server that
// has joined, MendPeer starts the connection to a member of the initial list a second time, and then the server never
// stops.
type severance struct {
	server *etcdserver.EtcdServer

	mu       sync.Mutex
	severed  func(host string) bool
	excluded func(instance string) bool
	cut      map[types.ID]bool
	ended    bool
}

func newSeverance(server *etcdserver.EtcdServer) *severance {
	none := func(string) bool { return false }
	return &severance{server: server, severed: none, excluded: none, cut: map[types.ID]bool{}}
}

// set drops the messages to and from the members on severed hosts, and exchanges messages with all others that are not
// excluded. Packets can't be filtered by their source address: on loopback addresses the system chooses the address
// from which members connect.
func (s *severance) set(severed func(host string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.severed = severed
	s.apply()
}

// exclude drops the messages to and from the members that are excluded.
func (s *severance) exclude(excluded func(instance string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.excluded = excluded
	s.apply()
}

// apply cuts and mends members. The caller holds s.mu.
func (s *severance) apply() {
	if s.ended {
		return
	}
	for _, m := range s.server.Cluster().Members() {
		if m.ID == s.server.MemberID() {
			continue
		}
		host, _, err := net.SplitHostPort(address(m.PeerURLs))
		switch cut := err == nil && s.severed(host) || s.excluded(m.Name); {
		case cut && !s.cut[m.ID]:
			s.cut[m.ID] = true
			s.server.CutPeer(m.ID)
		case !cut && s.cut[m.ID]:
			delete(s.cut, m.ID)
			s.server.MendPeer(m.ID)
		}
	}
}

// end mends all members, so that the server can stop its connections. Nothing is cut afterwards.
func (s *severance) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	none := func(string) bool { return false }
	s.severed, s.excluded = none, none
	s.apply()
	s.ended = true
}
