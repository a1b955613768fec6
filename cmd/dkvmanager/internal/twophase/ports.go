package twophase

import (
	"errors"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// checkPorts looks at each of the new nodes, so that all ports that are taken are named.
func (m *Participant) checkPorts(d *catalog.Data, c *wire.Operation, added []wire.Node) []*wire.Result {
	var problems []*wire.Result
	for _, n := range added {
		err := m.CheckPorts(d, c.Store, []wire.Node{n})
		var r *wire.Result
		if errors.As(err, &r) {
			problems = append(problems, r)
		} else if err != nil {
			problems = append(problems, wire.Refuse(wire.CodePortTaken, "%w", err))
		}
	}
	if len(problems) > 1 {
		var all *wire.Result // its hint is a pair that is free for all of the nodes
		if errors.As(m.Ports(c.Store, added), &all) {
			problems[0].Hint = all.Hint
		}
	}
	return problems
}

// CheckPorts refuses own nodes of a store one of whose ports is taken on this server, or kept for another
// store's pending change.
func (m *Participant) CheckPorts(d *catalog.Data, store string, nodes []wire.Node) error {
	for _, name := range d.Names {
		p := name.Prepared
		if p == nil || strings.EqualFold(p.Store, store) {
			continue
		}
		for _, kept := range p.Nodes {
			if !m.Owns(kept) {
				continue
			}
			for _, n := range nodes {
				if port := shared(n, kept); port != 0 && m.Owns(n) {
					return wire.RefusePortReserved.With(n.Host, port, kept.Name, p.Store, p.ID)
				}
			}
		}
	}
	return m.Ports(store, nodes)
}

// shared is a port that both nodes use, or 0.
func shared(a, b wire.Node) int {
	for _, port := range []int{a.ClustronPort, a.ClientPort} {
		if port == b.ClustronPort || port == b.ClientPort {
			return port
		}
	}
	return 0
}
