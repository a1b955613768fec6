package supervisor

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// desiredKind is the kind of desired state of the instance in one folder.
type desiredKind int

const (
	desireGone  desiredKind = iota // not in the catalog: only what its deletions name is ended and deleted
	desireLeave                    // dropped by the topology: leave the running store, then be deleted
	desireStop
	desireRun
)

// desiredState is the desired state of one instance, as the catalog describes it.
type desiredState struct {
	kind  desiredKind
	store *catalog.Store // nil when the catalog has no such store
	node  wire.Node
	local catalog.Local
}

// desiredIn returns the desired state of the instance at p as the catalog describes it.
func desiredIn(d *catalog.Data, p place) desiredState {
	store := d.Stores[p.store]
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

// knows reports whether the catalog has the instance whose folder is at p, of the store that operation created, or
// records that the data at p is to be deleted. Operation may be empty: it is not known then.
func knows(d *catalog.Data, p place, operation string) bool {
	at := func(x catalog.Deletion) bool { return x.Store == p.store && x.Instance == p.instance }
	if slices.ContainsFunc(d.Deletions, at) {
		return true
	}
	want := desiredIn(d, p)
	return want.isKnown() && (operation == "" || operation == want.store.Creation)
}

// isKnown reports whether the catalog has the instance.
func (want desiredState) isKnown() bool { return want.kind != desireGone }

// founder reports whether the instance bootstraps the store together with the other founders.
func (want desiredState) founder() bool {
	return slices.ContainsFunc(want.store.Founders, func(f wire.Founder) bool {
		return f.Name == want.node.Name && strings.EqualFold(f.Host, want.node.Host) &&
			f.ClustronPort == want.node.ClustronPort
	})
}

// joiner reports whether the instance has yet to join a store that others have bootstrapped.
func (want desiredState) joiner() bool {
	return want.node.Role == wire.Data && !want.local.Bootstrapped && !want.founder()
}

// others returns the other data nodes of the topology.
func (want desiredState) others() []wire.Node { return otherData(want.store, want.node) }

// otherData returns the data nodes of a store's topology without the node itself.
func otherData(store *catalog.Store, node wire.Node) []wire.Node {
	var nodes []wire.Node
	for _, n := range store.Nodes {
		if n.Role == wire.Data && n.Name != node.Name {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// leaving returns the nodes that the topology has dropped and that have not left yet, by name.
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

// clusterAddress returns the address at which other data instances reach the node.
func clusterAddress(n wire.Node) string {
	return net.JoinHostPort(n.Host, strconv.Itoa(n.ClustronPort))
}

// clientEndpoints returns the addresses at which clients reach the nodes.
func clientEndpoints(nodes []wire.Node) []string {
	endpoints := make([]string, len(nodes))
	for i, n := range nodes {
		endpoints[i] = net.JoinHostPort(n.Host, strconv.Itoa(n.ClientPort))
	}
	return endpoints
}
