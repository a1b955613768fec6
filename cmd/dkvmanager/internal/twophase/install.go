package twophase

import (
	"slices"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// installOperation makes a prepared operation the store's configuration, in the caller's update, together with the
// decision record. It can't fail (I4): everything that could prevent the operation was checked before the vote, and the
// prepared record has kept the name and the ports since. It is called for committed operations only.
func (m *Participant) installOperation(d *catalog.Data, p *catalog.PreparedRecord) {
	if p.Removes() {
		RemoveStore(d, p.Store, p.ID)
		return
	}
	// I2 and I3: the new configuration replaces the old one as a whole, and it is a committed one. The supervisor runs
	// the stores in Stores; a prepared operation is stored elsewhere, so that nothing of it can run.
	m.installConfiguration(d, p.Store, &wire.Configuration{
		Creation: p.Creation, LastOperation: p.ID, Revision: p.BaseRevision + 1, Epoch: p.Epoch, Coordinator: p.Coordinator,
		Managers: p.Managers, Founders: p.Founders, Nodes: p.Nodes,
		ClusterTLS: p.ClusterTLS,
	}, installOptions{desired: p.Desired, founding: p.Founding || p.BaseRevision == 0, loseData: p.LoseData})
	d.SetName(p.Store, func(n *catalog.Name) {
		if p.Drop != "" {
			n.Fenced = append(slices.Clone(n.Fenced), p.Drop)
		}
		// I8: all managers have voted for an operation in which the lost manager takes part, so it counts again. Its
		// old messages are refused by their epochs, which are below this one.
		n.Fenced = slices.DeleteFunc(slices.Clone(n.Fenced), func(lost string) bool { return hasManager(p.Managers, lost) })
	})
}

// RemoveStore deletes a store from d, and with it the mark that it is suspect. The name's records stay: the epoch
// refuses late messages (I1), the fenced managers stay fenced (I8), and Removed answers participants in doubt. The
// operation that removed the store is empty if none did.
func RemoveStore(d *catalog.Data, store, operation string) {
	clearSuspect(d, store)
	d.SetName(store, func(n *catalog.Name) {
		if n.DeclaredLost { // the replacement has decided the prepared operation without this manager
			n.Prepared = nil
		}
		n.Removed, n.DeclaredLost = operation, false
	})
	if s := d.Named(store); s != nil {
		d.RemoveStore(s.Name)
	}
}

// installOptions controls what happens to this server's instances that a configuration adds or removes.
type installOptions struct {
	// desired is the desired state of new instances; if it is empty, that of the store's existing instances on this
	// server.
	desired wire.Desired
	// founding means that no instance of the store ever ran, so removed ones need not leave the running store.
	founding bool
	// loseData makes removed instances leave at once, without waiting until the running store has removed them.
	loseData bool
	// sameOperation means that the configuration corrects the content of the installed one and was made by the same
	// operation. An instance on this server that has another address now is the same instance. One that the corrected
	// content gives to another server leaves the running store only if it was ever started here.
	sameOperation bool
}

// installConfiguration replaces the configuration of a store in d, and creates the store if it is missing (I2). A
// removed instance of this server is not deleted here: it is marked as leaving, and the supervisor takes it out of the
// running store first. A crash in between repeats that, since the mark is durable. Calling it again with the same
// configuration changes nothing.
func (m *Participant) installConfiguration(d *catalog.Data, name string, c *wire.Configuration, h installOptions) {
	s := d.Named(name)
	if s == nil {
		s = &catalog.Store{Name: name, Engine: m.Engine, Creation: c.Creation, Local: map[string]*catalog.Local{}}
		d.Stores[name] = s
	}
	if h.desired == "" {
		h.desired = desiredState(s)
	}
	for _, old := range s.Nodes {
		local := s.Local[old.Name]
		if n := node(c.Nodes, old.Name); local == nil || local.Leaving != nil || n != nil && sameAddress(*n, old) {
			continue // another server's instance, one that is leaving already, or one that stays
		} else if h.sameOperation && n != nil && m.Owns(*n) {
			continue // the supervisor starts it again at its own address
		}
		if h.founding || h.sameOperation && !local.Started && !local.Bootstrapped {
			delete(s.Local, old.Name)
		} else {
			local.Leaving, local.LoseData = &old, h.loseData
		}
	}
	for _, n := range c.Nodes {
		if m.Owns(n) && s.Local[n.Name] == nil {
			// A founder that was removed and is added again must join: the store has run, and an instance that founded
			// it a second time would form a cluster beside it. Bootstrapped prevents that.
			again := !h.founding && !(h.sameOperation && c.Revision == 1) &&
				slices.Contains(c.Founders, wire.Founder{Name: n.Name, Host: n.Host, ClustronPort: n.ClustronPort})
			s.Local[n.Name] = &catalog.Local{Desired: h.desired, Bootstrapped: again}
		}
	}
	s.LastOperation, s.Revision, s.Epoch = c.LastOperation, c.Revision, c.Epoch
	s.Coordinator, s.Managers, s.Founders, s.Nodes = c.Coordinator, c.Managers, c.Founders, c.Nodes
	s.ClusterTLS = c.ClusterTLS
	s.Digest = wire.Digest(s.Name, c.Nodes)
	// I1: the name's epoch is raised with the store's. A store that was learned without a vote refuses late messages,
	// too.
	d.SetName(name, func(n *catalog.Name) { n.Removed, n.Epoch = "", max(n.Epoch, c.Epoch) })
}

// desiredState returns the desired state of the store's instances on this server: Running if any of them has it.
func desiredState(s *catalog.Store) wire.Desired {
	for _, l := range s.Local {
		if l.Desired == wire.DesiredRunning && l.Leaving == nil {
			return wire.DesiredRunning
		}
	}
	return wire.DesiredStopped
}

// sameAddress reports whether two nodes have the same host and ports.
func sameAddress(a, b wire.Node) bool {
	return strings.EqualFold(a.Host, b.Host) && a.ClustronPort == b.ClustronPort && a.ClientPort == b.ClientPort
}
