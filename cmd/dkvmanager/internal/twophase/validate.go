package twophase

import (
	"fmt"
	"slices"
	"strings"

	"dkvrun/runtime/wire"
)

// validate refuses an operation that no manager could vote for, whatever its catalog holds. It is called before the
// operation touches the catalog: everything after it may rely on names that are safe as paths, on a coordinator that
// takes part, and on a topology with data instances.
func validate(c *wire.Operation) error {
	if err := wire.CheckName(c.Store); err != nil {
		return wire.Refuse(wire.CodeBadName, "store: %w", err)
	}
	if err := wire.CheckManagers(c.Managers); err != nil {
		return wire.Refuse(wire.CodeBadRequest, "%w", err)
	}
	if c.Drop != "" {
		if err := wire.CheckIdentity(c.Drop); err != nil {
			return wire.Refuse(wire.CodeBadRequest, "drop: %w", err)
		}
	}
	switch {
	// I1: the coordinator's vote is one of those that the commit needs.
	case !hasManager(c.Managers, c.Coordinator):
		return wire.Refuse(wire.CodeBadRequest, "home: %q is none of the managers", c.Coordinator)
	// I8: the commit declares the dropped manager lost, so its vote can't be among those that the commit needs.
	case c.Drop != "" && hasManager(c.Managers, c.Drop):
		return wire.Refuse(wire.CodeBadRequest, "drop: %q is among the managers", c.Drop)
	case !slices.Contains(actions, c.Action):
		return wire.Refuse(wire.CodeBadRequest, "action: got %q, want one of %s", c.Action, strings.Join(actions, ", "))
	case c.Desired != "" && c.Desired != wire.DesiredRunning && c.Desired != wire.DesiredStopped:
		return wire.Refuse(wire.CodeBadRequest, "desired: got %q, want %s or %s", c.Desired, wire.DesiredRunning, wire.DesiredStopped)
	// The next revision must still be a number that every reader of JSON holds exactly.
	case c.BaseRevision >= wire.MaxRevision:
		return wire.Refuse(wire.CodeBadRequest, "baseRevision: %d is more than a store can have", c.BaseRevision)
	// Whether an operation removes the store follows from its nodes; the action is what users are shown. Both must
	// agree.
	case c.Removes() != (c.Action == wire.RemoveStoreAction):
		return wire.Refuse(wire.CodeBadTopology, "nodes: %s with %d of them", c.Action, len(c.Nodes))
	}
	return checkNodes(c)
}

// actions lists the valid actions of operations.
var actions = []string{wire.CreateAction, wire.AddInstanceAction, wire.RemoveInstanceAction, wire.RemoveStoreAction,
	wire.RepairAction, wire.SecureAction}

// checkNodes refuses a topology that can't be run, or that lacks roles or founders. An operation that removes the store
// has none. Creation tells a store from an earlier one of the same name, so every topology needs it.
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
