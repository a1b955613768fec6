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
	goalGone  goalKind = iota // the catalog has no such instance: only what its deletions name is ended and deleted
	goalLeave                 // the topology has dropped it: out of the running store, then gone
	goalStop
	goalRun
)

// goal is what the catalog says of one instance.
type goal struct {
	kind  goalKind
	store *catalog.Store // nil when the catalog has no such store
	node  wire.Node
	local catalog.Local
}

// goalOf reads the view. Nothing it returns may be written to.
func (s *Supervisor) goalOf(p place) goal {
	store := s.view.Load().Stores[p.store]
	if store == nil {
		return goal{}
	}
	g := goal{store: store}
	if local := store.Local[p.instance]; local != nil {
		g.local = *local
	}
	if g.local.Leaving != nil {
		g.kind, g.node = goalLeave, *g.local.Leaving
		return g
	}
	i := slices.IndexFunc(store.Nodes, func(n wire.Node) bool { return n.Name == p.instance })
	if i < 0 {
		return g
	}
	g.kind, g.node = goalStop, store.Nodes[i]
	if g.local.Desired == wire.DesiredRunning {
		g.kind = goalRun
	}
	return g
}

// founder says whether the instance is one of those that the store began with.
func (g goal) founder() bool {
	return slices.ContainsFunc(g.store.Founders, func(f wire.Founder) bool {
		return f.Name == g.node.Name && strings.EqualFold(f.Host, g.node.Host) && f.ClustronPort == g.node.ClustronPort
	})
}

// newcomer says whether the instance has yet to be taken into a store that others began.
func (g goal) newcomer() bool {
	return g.node.Role == wire.Data && !g.local.Bootstrapped && !g.founder()
}

// others are the topology's data nodes but this one.
func (g goal) others() []wire.Node {
	var nodes []wire.Node
	for _, n := range g.store.Nodes {
		if n.Role == wire.Data && n.Name != g.node.Name {
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
