package twophase

import (
	"slices"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// installOperation makes a pending change the store's configuration. It can't fail: all that could speak against
// it was looked at before the vote.
func (m *Participant) installOperation(d *catalog.Data, p *catalog.PreparedRecord) {
	if p.Removes() {
		RemoveStore(d, p.Store, p.ID)
		return
	}
	// I2 and I3: the store has one configuration, and it is a committed one; the supervisor runs no other.
	m.installConfiguration(d, p.Store, &wire.Configuration{
		Creation: p.Creation, LastOperation: p.ID, Revision: p.BaseRevision + 1, Epoch: p.Epoch, Coordinator: p.Coordinator,
		Managers: p.Managers, Founders: p.Founders, Nodes: p.Nodes,
	}, installOptions{desired: p.Desired, founding: p.Founding || p.BaseRevision == 0, loseData: p.LoseData})
	d.SetName(p.Store, func(n *catalog.Name) {
		if p.Drop != "" {
			n.Fenced = append(slices.Clone(n.Fenced), p.Drop)
		}
		n.Fenced = slices.DeleteFunc(slices.Clone(n.Fenced), func(lost string) bool { return hasManager(p.Managers, lost) })
	})
}

// RemoveStore drops a store, with what was doubtful about it, and keeps its epoch, who was declared lost, and the
// operation that removed it, which is empty where none did.
func RemoveStore(d *catalog.Data, store, operation string) {
	clearSuspect(d, store)
	d.SetName(store, func(n *catalog.Name) {
		if n.DeclaredLost { // the others have ended what it held
			n.Prepared = nil
		}
		n.Removed, n.DeclaredLost = operation, false
	})
	if s := d.Named(store); s != nil {
		d.RemoveStore(s.Name)
	}
}

// installOptions says what becomes of the own instances that come and go with a configuration.
type installOptions struct {
	// desired is what new ones start as; what the store's own are meant to be where it is empty.
	desired wire.Desired
	// founding: those that go have never run and leave nothing behind.
	founding bool
	loseData bool
}

// installConfiguration makes a configuration that of the store.
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
			continue
		}
		if h.founding {
			delete(s.Local, old.Name)
		} else {
			local.Leaving, local.LoseData = &old, h.loseData
		}
	}
	for _, n := range c.Nodes {
		if m.Owns(n) && s.Local[n.Name] == nil {
			// A founder that comes back finds a store that has run: it must not found it again.
			again := !h.founding && slices.Contains(c.Founders, wire.Founder{Name: n.Name, Host: n.Host, ClustronPort: n.ClustronPort})
			s.Local[n.Name] = &catalog.Local{Desired: h.desired, Bootstrapped: again}
		}
	}
	s.LastOperation, s.Revision, s.Epoch = c.LastOperation, c.Revision, c.Epoch
	s.Coordinator, s.Managers, s.Founders, s.Nodes = c.Coordinator, c.Managers, c.Founders, c.Nodes
	s.Digest = wire.Digest(s.Name, c.Nodes)
	d.SetName(name, func(n *catalog.Name) { n.Removed, n.Epoch = "", max(n.Epoch, c.Epoch) })
}

// desiredState is what the store's own instances are meant to be: running when any of them is.
func desiredState(s *catalog.Store) wire.Desired {
	for _, l := range s.Local {
		if l.Desired == wire.DesiredRunning && l.Leaving == nil {
			return wire.DesiredRunning
		}
	}
	return wire.DesiredStopped
}

func sameAddress(a, b wire.Node) bool {
	return strings.EqualFold(a.Host, b.Host) && a.ClustronPort == b.ClustronPort && a.ClientPort == b.ClientPort
}
