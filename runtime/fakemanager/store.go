package fakemanager

import (
	"fmt"
	"net"
	"strings"

	"dkvrun/runtime/wire"
)

// Seeded is the store that every manager has from the start, with an instance on each of the first six managers:
// seeded-1 to seeded-6. Its JSON is about 2 KB.
const Seeded = "SeededStore"

const seededInstances = 6

// engine is the name of the engine in answers.
const engine = "etcd"

// running is the template of a running instance.
var running = wire.Instance{
	Status: wire.Running, Desired: wire.DesiredRunning, Ready: true, PID: 4711, Started: true, Bootstrapped: true,
}

// seededConfiguration returns the configuration of the seeded store. Its ports are below those that new stores get.
func seededConfiguration(p Plan) *wire.Configuration {
	c := &wire.Configuration{Creation: "0199f3a0-0000-7000-8000-000000000000", Revision: 1}
	for i := range min(seededInstances, p.Count) {
		host, _, _ := net.SplitHostPort(p.Address(i))
		c.Nodes = append(c.Nodes, wire.Node{
			Name: fmt.Sprintf("seeded-%d", i+1), Host: host, ClustronPort: 6811, ClientPort: 6861, Role: wire.Data, Manager: p.Address(i),
		})
	}
	c.Digest = wire.Digest(Seeded, c.Nodes)
	return c
}

// seed returns the entry of the seeded store at manager i.
func (m *manager) seed(i int) *entry {
	state := wire.StoreState{Manager: m.identity, Store: Seeded, Configuration: m.group.seeded}
	e := &entry{StoreState: state, seeded: true}
	if i < seededInstances {
		in := running
		e.own = map[string]*wire.Instance{e.Configuration.Nodes[i].Name: &in}
	} else {
		m.list = m.group.list
	}
	return e
}

// owns reports whether a node is on the host of this manager and meant for its port.
func (m *manager) owns(n wire.Node) bool {
	if !strings.EqualFold(n.Host, m.host) {
		return false
	}
	_, port, err := net.SplitHostPort(n.Manager)
	return n.Manager == "" || err == nil && port == m.port
}

// view returns a store as the manager shows it.
func (m *manager) view(e *entry) *wire.Store {
	c := e.Configuration
	s := &wire.Store{
		Name: e.Store, Engine: engine, Creation: c.Creation, LastOperation: c.LastOperation, Revision: c.Revision,
		Epoch: c.Epoch, Digest: c.Digest, Coordinator: c.Coordinator, Managers: c.Managers, Founders: c.Founders,
		ClusterTLS: c.ClusterTLS,
		Instances:  make([]wire.Instance, len(c.Nodes)), Prepared: e.Prepared,
	}
	for i, n := range c.Nodes {
		in := &s.Instances[i]
		switch own := e.own[n.Name]; {
		case own != nil:
			*in = *own
			in.Own = true
			if n.Role == wire.Data && s.Members == nil {
				s.Members = &wire.MemberCheck{}
			}
			if n.Role == wire.Data && own.Status == wire.Running { // members of a fake store leave at once
				s.Members.Change = c.LastOperation
			}
		case e.seeded:
			*in = running
			in.Ready = false
		default:
			in.Status = wire.Unknown
		}
		in.Node = n
	}
	s.Status = e.status()
	return s
}

// status summarizes the instances of this manager.
func (e *entry) status() wire.StoreStatus {
	var own []wire.Instance
	for _, in := range e.own {
		own = append(own, *in)
	}
	status, _ := wire.StoreStatusOf(own)
	return status
}

// take installs a configuration (I2). Instances that it does not contain are removed at once. New instances get the
// desired state, or that of the other instances if desired is empty.
func (m *manager) take(e *entry, c *wire.Configuration, desired wire.Desired) {
	if desired == "" {
		desired = wire.DesiredStopped
		if len(e.wanted()) > 0 {
			desired = wire.DesiredRunning
		}
	}
	own := map[string]*wire.Instance{}
	for _, n := range c.Nodes {
		if !m.owns(n) {
			continue
		}
		in := e.own[n.Name]
		if in == nil {
			in = &wire.Instance{Status: wire.Stopped, Desired: wire.DesiredStopped}
			if desired == wire.DesiredRunning {
				*in = running
			}
		}
		own[n.Name] = in
	}
	e.own, e.Configuration, e.Removed, e.Epoch = own, c, "", max(e.Epoch, c.Epoch)
}

// drop removes the store; operation is the id of the removal.
func (e *entry) drop(operation string) {
	e.own, e.Configuration, e.Removed, e.seeded = nil, nil, operation, false
}

// wanted returns the names of the instances whose desired state is running.
func (e *entry) wanted() []string {
	var names []string
	for name, in := range e.own {
		if in.Desired == wire.DesiredRunning {
			names = append(names, name)
		}
	}
	return names
}
