package fakemanager

import (
	"slices"
	"strings"

	"dkvrun/runtime/wire"
)

// createStore creates a store on this manager only.
func (m *manager) createStore(r *request) any {
	var create wire.CreateStore
	if bad := r.decode(&create); bad != nil {
		return bad
	}
	r.understood(wire.ActionRequest{Action: wire.CreateAction, Store: create.Name, Create: &create})
	nodes := create.Nodes
	if bad := checkForm(create.Name, nodes); bad != nil {
		return bad
	}
	e := m.entry(create.Name)
	if e.Prepared != nil {
		return busy(e)
	}
	if there := e.Configuration; there != nil {
		if e.Store == create.Name && there.Digest == wire.Digest(create.Name, wire.AssignRoles(nodes)) {
			return unchanged("Already created")
		}
		return wire.RefuseExisting(e.Store, there.Nodes, nodes)
	}
	if taken := m.checkPorts(e, nodes); taken != nil {
		return taken
	}
	nodes = wire.AssignRoles(nodes)
	c := &wire.Configuration{
		Creation: create.Operation, Revision: 1, Epoch: e.Epoch + 1, Digest: wire.Digest(create.Name, nodes),
		Coordinator: create.Coordinator, Managers: create.Managers, Founders: wire.Founders(nodes), Nodes: nodes,
	}
	c.LastOperation = "d-" + c.Digest[:32]
	if c.Creation == "" {
		c.Creation = c.LastOperation
	}
	m.take(e, c, wire.DesiredStopped)
	return done("Created")
}

func (m *manager) removeStore(r *request) any {
	force := r.query.Get("force") == "true"
	r.understood(wire.ActionRequest{Action: wire.RemoveStoreAction, Store: r.store, Force: force})
	e, missing := m.find(r.store)
	switch {
	case missing != nil:
		return missing
	case e.Prepared != nil:
		return busy(e)
	case len(e.wanted()) > 0 && !force:
		return isRunning(e)
	}
	e.drop("")
	return done("Removed")
}

func (m *manager) startInstance(r *request) any {
	r.understood(wire.ActionRequest{Action: wire.StartInstanceAction, Store: r.store, Instance: r.instance})
	e, in, bad := m.ownInstance(r)
	switch {
	case bad != nil:
		return bad
	case e.change != nil && (e.change.Removes() || e.change.Founding):
		return busy(e)
	case in.Status == wire.Running:
		return unchanged("Already running")
	}
	*in = running
	return done("Started")
}

func (m *manager) stopInstance(r *request) any {
	force := r.query.Get("force") == "true"
	r.understood(wire.ActionRequest{Action: wire.StopInstanceAction, Store: r.store, Instance: r.instance, Force: force})
	_, in, bad := m.ownInstance(r)
	switch {
	case bad != nil:
		return bad
	case in.Status == wire.Stopped:
		return unchanged("Already stopped")
	}
	in.Status, in.Desired, in.Ready, in.PID = wire.Stopped, wire.DesiredStopped, false, 0
	return done("Stopped")
}

// restartInstance restarts an instance. A fake manager knows no other one, so it accepts every rolling restart.
func (m *manager) restartInstance(r *request) any {
	asked := wire.ActionRequest{Action: wire.RestartInstanceAction, Store: r.store, Instance: r.instance}
	asked.Rolling = r.query.Get("rolling") == "true"
	if names := r.query.Get("without"); names != "" {
		asked.Without = strings.Split(names, ",")
	}
	r.understood(asked)
	_, in, bad := m.ownInstance(r)
	switch {
	case bad != nil:
		return bad
	case in.Status == wire.Stopped:
		return wire.RefuseRestartStopped.With(r.instance)
	}
	in.PID++
	return done("Restarted")
}

// ownInstance returns the request's instance, or a refusal if it is not one of this manager.
func (m *manager) ownInstance(r *request) (*entry, *wire.Instance, *wire.Result) {
	e, missing := m.find(r.store)
	if missing != nil {
		return nil, nil, missing
	}
	i := slices.IndexFunc(e.Configuration.Nodes, func(n wire.Node) bool { return n.Name == r.instance })
	if i < 0 {
		return nil, nil, wire.RefuseInstanceNotFound.With(e.Store, r.instance)
	}
	if in := e.own[r.instance]; in != nil {
		return e, in, nil
	}
	n := e.Configuration.Nodes[i]
	return nil, nil, wire.RefuseNotThisHost.With(n.Name, n.Host, m.host)
}

func isRunning(e *entry) *wire.Result {
	names := e.wanted()
	slices.Sort(names)
	is := " is running"
	if len(names) > 1 {
		is = " are running"
	}
	return wire.RefuseStoreRunning.With(strings.Join(names, ", ")+is, e.Store)
}
