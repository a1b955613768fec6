package twophase

import (
	"fmt"
	"slices"
	"strings"

	"dkvrun/runtime/wire"
)

// Validate refuses a change that no manager could vote for.
func Validate(c *wire.Operation) error {
	if err := wire.CheckName(c.Store); err != nil {
		return wire.Refuse(wire.CodeBadName, "store: %w", err)
	}
	known := map[string]bool{}
	for i, m := range c.Managers {
		switch {
		case m.Identity == "" || known[m.Identity]:
			return wire.Refuse(wire.CodeBadRequest, "managers[%d].identity: is empty or given twice", i)
		case !strings.HasPrefix(m.URL, "http://") && !strings.HasPrefix(m.URL, "https://"):
			return wire.Refuse(wire.CodeBadRequest, "managers[%d].url: want http://HOST:PORT", i)
		}
		known[m.Identity] = true
	}
	switch {
	case !known[c.Coordinator]:
		return wire.Refuse(wire.CodeBadRequest, "home: %q is none of the managers", c.Coordinator)
	case c.Drop != "" && known[c.Drop]:
		return wire.Refuse(wire.CodeBadRequest, "drop: %q is among the managers", c.Drop)
	case !slices.Contains(actions, c.Action):
		return wire.Refuse(wire.CodeBadRequest, "action: got %q, want one of %s", c.Action, strings.Join(actions, ", "))
	case c.Desired != "" && c.Desired != wire.DesiredRunning && c.Desired != wire.DesiredStopped:
		return wire.Refuse(wire.CodeBadRequest, "desired: got %q, want %s or %s", c.Desired, wire.DesiredRunning, wire.DesiredStopped)
	case c.BaseRevision >= wire.MaxRevision:
		return wire.Refuse(wire.CodeBadRequest, "baseRevision: %d is more than a store can have", c.BaseRevision)
	case len(c.Owner) > maxOwner:
		return wire.Refuse(wire.CodeBadRequest, "owner: is over %d bytes", maxOwner)
	case c.Removes() != (c.Action == wire.RemoveStoreAction):
		return wire.Refuse(wire.CodeBadTopology, "nodes: %s with %d of them", c.Action, len(c.Nodes))
	}
	return checkNodes(c)
}

var actions = []string{wire.CreateAction, wire.AddInstanceAction, wire.RemoveInstanceAction, wire.RemoveStoreAction, wire.RepairAction}

// maxOwner is the most bytes that name an operation's owner.
const maxOwner = 200

func checkNodes(c *wire.Operation) error {
	if c.Removes() {
		return nil
	}
	if c.Creation == "" {
		return wire.Refuse(wire.CodeBadRequest, "creation: is missing: give the operation that created the store")
	}
	if err := wire.CheckTopology(c.Nodes); err != nil {
		return wire.Refuse(wire.CodeBadTopology, "%w", err)
	}
	data := false
	for i, n := range c.Nodes {
		if n.Role == "" {
			return wire.Refuse(wire.CodeBadTopology, "nodes[%d].role: is missing", i)
		}
		data = data || n.Role == wire.Data
	}
	if !data || len(c.Founders) == 0 {
		return wire.Refuse(wire.CodeBadTopology, "nodes: no node has the role data, or founders is empty")
	}
	for i, f := range c.Founders {
		err := wire.CheckName(f.Name)
		if err == nil {
			err = wire.CheckHost(f.Host)
		}
		if err == nil && (f.ClustronPort < 1 || f.ClustronPort > 65535) {
			err = fmt.Errorf("%d is not a port: 1 to 65535", f.ClustronPort)
		}
		if err != nil {
			return wire.Refuse(wire.CodeBadTopology, "founders[%d]: %w", i, err)
		}
	}
	return nil
}
