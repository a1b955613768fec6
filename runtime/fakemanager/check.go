package fakemanager

import (
	"slices"
	"strings"

	"dkvrun/runtime/wire"
)

// checkForm refuses a store whose name or topology is invalid for every manager.
func checkForm(store string, nodes []wire.Node) *wire.Result {
	if err := wire.CheckName(store); err != nil {
		return wire.Refuse(wire.CodeBadName, "store: %v", err)
	}
	if err := wire.CheckTopology(nodes); err != nil {
		return wire.Refuse(wire.CodeBadTopology, "%v", err)
	}
	return nil
}

// checkChange refuses an operation that is invalid for every manager.
func checkChange(c *wire.Operation) *wire.Result {
	switch {
	case !keeps(c.Managers, c.Coordinator):
		return wire.Refuse(wire.CodeBadRequest, "home: %q is none of the managers", c.Coordinator)
	case c.Removes() != (c.Action == wire.RemoveStoreAction):
		return wire.Refuse(wire.CodeBadTopology, "nodes: %s with %d of them", c.Action, len(c.Nodes))
	case !c.Removes():
		return checkForm(c.Store, c.Nodes)
	}
	return nil
}

// check returns the first objection of this manager to an operation, or nil. The checks stand in the order of a real
// manager, so that both refuse with the same code.
func (m *manager) check(e *entry, c *wire.Operation) *wire.Result {
	if !keeps(c.Managers, m.identity) {
		return wire.RefuseWrongManager.With(m.identity)
	}
	if m.suspect {
		return wire.RefuseSuspect.With(m.identity, c.Store)
	}
	if e.Prepared != nil && e.Prepared.ID != c.ID {
		return busy(e)
	}
	for _, r := range []*wire.Result{m.checkBase(e, c), checkCoordinator(e.Configuration, c)} {
		if r != nil {
			return r
		}
	}
	switch {
	case !c.Removes():
		return m.checkInstances(e, c)
	case !c.LoseData && len(e.wanted()) > 0:
		return isRunning(e)
	}
	return nil
}

// checkBase refuses an operation whose base is not the current configuration (I6).
func (m *manager) checkBase(e *entry, c *wire.Operation) *wire.Result {
	s := e.Configuration
	switch {
	case s == nil && c.Removes():
		return wire.RefuseNothingToRemove.With(c.Store)
	case s == nil && c.BaseRevision > 0 && c.Coordinator == m.identity:
		return wire.RefuseNoBase.With(c.Store, c.BaseRevision)
	case s == nil:
		return nil
	case e.Store != c.Store:
		return wire.RefuseNameTaken.With(e.Store)
	case c.BaseRevision == 0:
		return wire.RefuseExisting(e.Store, s.Nodes, c.Nodes)
	case s.Revision != c.BaseRevision || s.LastOperation != c.BaseOperation:
		return wire.RefuseStaleRevision.With(e.Store, s.Revision, s.LastOperation, c.BaseRevision, c.BaseOperation)
	}
	return nil
}

// checkCoordinator refuses an operation that names another coordinator than the store has, or leaves out a manager of
// the store.
func checkCoordinator(s *wire.Configuration, c *wire.Operation) *wire.Result {
	coordinator := c.Coordinator
	switch {
	case s != nil && s.Coordinator != "":
		coordinator = s.Coordinator
	case s != nil || c.BaseRevision == 0:
		coordinator = slices.MinFunc(c.Managers,
			func(a, b wire.Manager) int { return strings.Compare(a.Identity, b.Identity) }).Identity
	}
	if c.Coordinator != coordinator {
		return wire.RefuseWrongCoordinator.With(c.Store, coordinator, c.Coordinator)
	}
	if s == nil || s.Coordinator == "" {
		return nil
	}
	for _, w := range s.Managers {
		if !keeps(c.Managers, w.Identity) && w.Identity != c.Drop {
			return wire.RefuseMissingManager.With(w.URL, c.Store)
		}
	}
	return nil
}

// keeps reports whether a manager is among managers.
func keeps(managers []wire.Manager, identity string) bool {
	return slices.ContainsFunc(managers, func(w wire.Manager) bool { return w.Identity == identity })
}

// checkInstances refuses a topology that contradicts the instances of this manager.
func (m *manager) checkInstances(e *entry, c *wire.Operation) *wire.Result {
	s := e.Configuration
	if s != nil && s.Creation != c.Creation {
		return wire.RefuseOtherStore.With(e.Store, s.Creation)
	}
	if c.Founding {
		for name, in := range e.own {
			if in.Started {
				return wire.RefuseStoreStarted.With(name)
			}
		}
	}
	return m.checkPorts(e, c.Nodes)
}

// checkPorts refuses new nodes of this manager with a port that belongs to another store, or is reserved for one by a
// vote.
func (m *manager) checkPorts(e *entry, nodes []wire.Node) *wire.Result {
	for _, other := range m.kept {
		if other == e {
			continue
		}
		var theirs []wire.Node
		if other.Configuration != nil {
			theirs = other.Configuration.Nodes
		}
		if other.change != nil {
			theirs = slices.Concat(theirs, other.change.Nodes)
		}
		for _, n := range nodes {
			if !m.owns(n) || e.own[n.Name] != nil {
				continue
			}
			for _, t := range theirs {
				if port := shared(n, t); port != 0 && m.owns(t) {
					return wire.Refuse(wire.CodePortTaken, "%s:%d belongs to instance %s of store %s", n.Host, port, t.Name, other.Store)
				}
			}
		}
	}
	return nil
}

// shared returns a port that both nodes use, or 0.
func shared(a, b wire.Node) int {
	for _, port := range []int{a.ClustronPort, a.ClientPort} {
		if port == b.ClustronPort || port == b.ClientPort {
			return port
		}
	}
	return 0
}

// claims returns the names of the nodes that this manager owns.
func (m *manager) claims(c *wire.Operation) []string {
	var names []string
	for _, n := range c.Nodes {
		if m.owns(n) {
			names = append(names, n.Name)
		}
	}
	return names
}
