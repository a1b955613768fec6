package wire

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// shownDifferences is the maximum number of differences that a message names.
const shownDifferences = 3

// describeDifference returns text that describes how the wanted topology differs from the existing one; "" if both have
// the same instances in the same order. The managers of the instances are not compared.
func describeDifference(there, wanted []Node) string {
	var found []string
	for _, n := range there {
		if findNode(wanted, n.Name) == nil {
			found = append(found, n.Name+" is not in the request")
		}
	}
	for _, w := range wanted {
		n := findNode(there, w.Name)
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
	if len(found) == 0 && !slices.EqualFunc(there, wanted, func(a, b Node) bool { return a.Name == b.Name }) {
		return "the same instances in another order: " + order(there)
	}
	if more := len(found) - shownDifferences; more > 0 {
		found = append(found[:shownDifferences], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(found, "; ")
}

// order lists the names of the nodes, of many only the first ones.
func order(nodes []Node) string {
	const shown = 8
	var names []string
	for i, n := range nodes {
		if i == shown && len(nodes) > shown+1 {
			names = append(names, "…")
			break
		}
		names = append(names, n.Name)
	}
	return strings.Join(names, ", ")
}

// RefuseExisting returns the refusal to create a store that exists with the nodes there.
func RefuseExisting(store string, there, wanted []Node) *Result {
	if how := describeDifference(there, wanted); how != "" {
		return RefuseOtherTopology.With(store, how)
	}
	return refuseSameTopology.With(store)
}

// findNode returns the node of that name, or nil.
func findNode(nodes []Node, name string) *Node {
	for i := range nodes {
		if nodes[i].Name == name {
			return &nodes[i]
		}
	}
	return nil
}

// DescribeContentDifference returns text that describes how a configuration differs from the one of the coordinator,
// with the same operation as its last; "" if they are the same.
func DescribeContentDifference(c, coordinator *Configuration) string {
	switch {
	case c.SameContent(coordinator):
		return ""
	case c.Creation != coordinator.Creation:
		return "it was created by operation " + c.Creation + ", not " + coordinator.Creation
	case c.Revision != coordinator.Revision:
		return fmt.Sprintf("it has revision %d, not %d", c.Revision, coordinator.Revision)
	case c.Coordinator != coordinator.Coordinator:
		return "it has manager " + c.Coordinator + " as the coordinator"
	case !slices.Equal(c.Managers, coordinator.Managers):
		return "it lists other managers"
	case !slices.Equal(c.Founders, coordinator.Founders):
		return "it lists other founders"
	case c.ClusterTLS != coordinator.ClusterTLS:
		return "one of them has TLS on the cluster ports, and the other one has not"
	}
	return cmp.Or(describeDifference(c.Nodes, coordinator.Nodes), "it has other managers for the instances")
}
