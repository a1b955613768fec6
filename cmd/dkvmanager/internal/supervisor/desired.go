package supervisor

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// goalKind is what the catalog asks of one folder.
type goalKind int

const (
	desireGone  goalKind = iota // the catalog has no such instance: only what its deletions name is ended and deleted
	desireLeave                 // the topology has dropped it: out of the running store, then gone
	desireStop
	desireRun
)

// desiredState is what the catalog says of one instance.
type desiredState struct {
	kind  goalKind
	store *catalog.Store // nil when the catalog has no such store
	node  wire.Node
	local catalog.Local
}

// desiredOf reads the view. Nothing it returns may be written to.
func (s *Supervisor) desiredOf(p place) desiredState {
	store := s.view.Load().Stores[p.store]
	if store == nil {
		return desiredState{}
	}
	want := desiredState{store: store}
	if local := store.Local[p.instance]; local != nil {
		want.local = *local
	}
	if want.local.Leaving != nil {
		want.kind, want.node = desireLeave, *want.local.Leaving
		return want
	}
	i := slices.IndexFunc(store.Nodes, func(n wire.Node) bool { return n.Name == p.instance })
	if i < 0 {
		return want
	}
	want.kind, want.node = desireStop, store.Nodes[i]
	if want.local.Desired == wire.DesiredRunning {
		want.kind = desireRun
	}
	return want
}

// founder says whether the instance is one of those that the store began with.
func (want desiredState) founder() bool {
	return slices.ContainsFunc(want.store.Founders, func(f wire.Founder) bool {
		return f.Name == want.node.Name && strings.EqualFold(f.Host, want.node.Host) && f.ClustronPort == want.node.ClustronPort
	})
}

// joiner says whether the instance has yet to be taken into a store that others began.
func (want desiredState) joiner() bool {
	return want.node.Role == wire.Data && !want.local.Bootstrapped && !want.founder()
}

// others are the topology's data nodes but this one.
func (want desiredState) others() []wire.Node {
	var nodes []wire.Node
	for _, n := range want.store.Nodes {
		if n.Role == wire.Data && n.Name != want.node.Name {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// leaving lists the nodes that the topology has dropped and that are not gone yet, by name.
func leaving(store *catalog.Store) []wire.Node {
	var nodes []wire.Node
	for _, local := range store.Local {
		if local.Leaving != nil {
			nodes = append(nodes, *local.Leaving)
		}
	}
	slices.SortFunc(nodes, func(a, b wire.Node) int { return strings.Compare(a.Name, b.Name) })
	return nodes
}

// clusterAddress is where the other data instances reach the node.
func clusterAddress(n wire.Node) string {
	return net.JoinHostPort(n.Host, strconv.Itoa(n.ClustronPort))
}

// clientEndpoints is where clients reach the nodes.
func clientEndpoints(nodes []wire.Node) []string {
	endpoints := make([]string, len(nodes))
	for i, n := range nodes {
		endpoints[i] = net.JoinHostPort(n.Host, strconv.Itoa(n.ClientPort))
	}
	return endpoints
}
