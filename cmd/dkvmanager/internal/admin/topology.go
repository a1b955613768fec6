package admin

import (
	"slices"

	"dkvrun/runtime/wire"
)

func withoutRoles(nodes []wire.Node) bool {
	return !slices.ContainsFunc(nodes, func(n wire.Node) bool { return n.Role != "" })
}

func stripRoles(nodes []wire.Node) []wire.Node {
	out := slices.Clone(nodes)
	for i := range out {
		out[i].Role = ""
	}
	return out
}

// checkRoles refuses nodes unless each has a role, and at least one the role data.
func checkRoles(nodes []wire.Node) error {
	for i, n := range nodes {
		if n.Role == "" {
			return wire.Refuse(wire.CodeBadTopology, "nodes[%d].role: is missing: give every node a role, or none of them", i)
		}
	}
	if !hasData(nodes) {
		return wire.Refuse(wire.CodeBadTopology, "nodes: no node has the role data: at least one holds the data")
	}
	return nil
}

func hasData(nodes []wire.Node) bool {
	return slices.ContainsFunc(nodes, func(n wire.Node) bool { return n.Role == wire.Data })
}
