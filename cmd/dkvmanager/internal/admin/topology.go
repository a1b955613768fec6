package admin

import (
	"fmt"
	"slices"
	"strings"

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

// checkRoles demands a role of every node, and data of one.
func checkRoles(nodes []wire.Node) error {
	for i, n := range nodes {
		if n.Role == "" {
			return refuse(wire.CodeBadTopology, "nodes[%d].role: is missing: give every node a role, or none of them", i)
		}
	}
	if !hasData(nodes) {
		return refuse(wire.CodeBadTopology, "nodes: no node has the role data: at least one holds the data")
	}
	return nil
}

func hasData(nodes []wire.Node) bool {
	return slices.ContainsFunc(nodes, func(n wire.Node) bool { return n.Role == wire.Data })
}

// shownDifferences is how many differences a message names.
const shownDifferences = 3

// difference says in words how a topology that is asked for differs from the one that is there.
func difference(there, wanted []wire.Node) string {
	var found []string
	for _, n := range there {
		if node(wanted, n.Name) == nil {
			found = append(found, n.Name+" is not in the request")
		}
	}
	for _, w := range wanted {
		n := node(there, w.Name)
		if n == nil {
			found = append(found, w.Name+" is not in the store")
			continue
		}
		for _, field := range [][3]string{
			{"host", n.Host, w.Host},
			{"cluster port", fmt.Sprint(n.ClustronPort), fmt.Sprint(w.ClustronPort)},
			{"client port", fmt.Sprint(n.ClientPort), fmt.Sprint(w.ClientPort)},
			{"role", string(n.Role), string(w.Role)},
		} {
			if field[1] != field[2] {
				found = append(found, fmt.Sprintf("%s has %s %s, not %s", w.Name, field[0], field[1], field[2]))
			}
		}
	}
	if len(found) == 0 {
		return "the same instances in another order"
	}
	if more := len(found) - shownDifferences; more > 0 {
		found = append(found[:shownDifferences], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(found, "; ")
}
