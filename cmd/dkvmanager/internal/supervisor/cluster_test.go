package supervisor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/wire"
)

// spread returns the nodes with the numbers from through to, distributed over the servers round-robin.
func (c *cluster) spread(prefix string, from, to int) []wire.Node {
	var nodes []wire.Node
	for i := from; i <= to; i++ {
		s := c.servers[(i-1)%len(c.servers)]
		nodes = append(nodes, s.node(fmt.Sprintf("%s-%d", prefix, i), (i-1)/len(c.servers)))
	}
	return nodes
}

// create puts a stopped store into every catalog.
func (c *cluster) create(store string, nodes []wire.Node) {
	c.t.Helper()
	c.createAs(store, "op-"+store, catalog.Local{Desired: wire.DesiredStopped}, nodes)
}

// createAs is like create, with another creating operation, and with local as the first state of every instance.
func (c *cluster) createAs(store, operation string, local catalog.Local, nodes []wire.Node) {
	c.t.Helper()
	nodes = wire.AssignRoles(nodes)
	c.nodes[store] = nodes
	var managers []wire.Manager
	for _, s := range c.servers {
		managers = append(managers, s.manager())
	}
	for _, s := range c.servers {
		s.change(func(d *catalog.Data) {
			created := &catalog.Store{Name: store, Engine: "etcd", Creation: operation, Revision: 1, Epoch: 1,
				Digest: wire.Digest(store, nodes), Managers: managers, Founders: wire.Founders(nodes), Nodes: nodes,
				ClusterTLS: s.opts.Security != nil,
				Local:      map[string]*catalog.Local{}}
			for _, n := range nodes {
				if n.Host == s.host {
					own := local
					created.Local[n.Name] = &own
				}
			}
			d.Stores[store] = created
		})
	}
}

// widen adds nodes to a store, with the given desired state.
func (c *cluster) widen(store string, desired wire.Desired, added ...wire.Node) {
	c.t.Helper()
	nodes := wire.AssignRoles(append(slices.Clone(c.nodes[store]), added...))
	c.nodes[store] = nodes
	for _, s := range c.servers {
		s.change(func(d *catalog.Data) {
			d.Stores[store].Nodes, d.Stores[store].Digest = nodes, wire.Digest(store, nodes)
			for _, n := range added {
				if n.Host == s.host {
					d.Stores[store].Local[n.Name] = &catalog.Local{Desired: desired}
				}
			}
		})
	}
}

// removeFromTopology drops an instance from the topology.
func (c *cluster) removeFromTopology(store, instance string, discardData bool) {
	c.t.Helper()
	gone := c.node(store, instance)
	nodes := wire.AssignRoles(slices.DeleteFunc(slices.Clone(c.nodes[store]),
		func(n wire.Node) bool { return n.Name == instance }))
	c.nodes[store] = nodes
	for _, s := range c.servers {
		s.change(func(d *catalog.Data) {
			d.Stores[store].Nodes, d.Stores[store].Digest = nodes, wire.Digest(store, nodes)
			if local := d.Stores[store].Local[instance]; local != nil {
				local.Leaving, local.LoseData = &gone, discardData
			}
		})
	}
}

func (c *cluster) node(store, instance string) wire.Node {
	c.t.Helper()
	i := slices.IndexFunc(c.nodes[store], func(n wire.Node) bool { return n.Name == instance })
	if i < 0 {
		c.t.Fatalf("no instance %s in store %s", instance, store)
	}
	return c.nodes[store][i]
}

// at returns the server of a node.
func (c *cluster) at(n wire.Node) *server {
	return c.servers[slices.IndexFunc(c.servers, func(s *server) bool { return s.host == n.Host })]
}

// dialLocal returns the membership of the store over the socket of an instance of this server.
func (s *server) dialLocal(instance string) (engine.Membership, error) {
	return s.opts.Engine.DialLocal(s.folder(place{"Orders", instance}))
}

// start starts all instances of a store, one after the other.
func (c *cluster) start(store string) {
	c.t.Helper()
	for _, n := range c.nodes[store] {
		c.at(n).mustStart(store, n.Name)
	}
}

// instances returns the instances of a store on all servers, including those that are leaving.
func (c *cluster) instances(store string) []wire.Instance {
	var all []wire.Instance
	for _, s := range c.servers {
		all = append(all, s.Instances(context.Background(), store)...)
	}
	return all
}

// allReady reports whether all instances of a store are Running and ready, none is leaving, and all data
// instances are recorded as bootstrapped.
func (c *cluster) allReady(store string) bool {
	all := c.instances(store)
	return len(all) == len(c.nodes[store]) && !slices.ContainsFunc(all, func(in wire.Instance) bool {
		return in.Status != wire.Running || !in.Ready || in.Role == wire.Data && !in.Bootstrapped
	})
}

func (c *cluster) waitAllReady(store string, limit time.Duration) {
	c.t.Helper()
	storetest.Wait(c.t, limit, func() (bool, string) {
		return c.allReady(store), fmt.Sprintf("store %s is not ready: %s", store, describe(c.instances(store)))
	})
}

func describe(all []wire.Instance) string {
	var b strings.Builder
	for _, in := range all {
		fmt.Fprintf(&b, "\n  %s %s %s pid %d ready %v marked %v restarts %d %s", in.Name, in.Role, in.Status, in.PID, in.Ready, in.Bootstrapped, in.Restarts, in.LastError)
	}
	return b.String()
}
