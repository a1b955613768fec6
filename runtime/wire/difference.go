package wire

import (
	"fmt"
	"slices"
	"strings"
)

// shownDifferences is the maximum number of differences that a message names.
const shownDifferences = 3

// DescribeDifference returns text that describes how the wanted topology differs from the existing one.
func DescribeDifference(there, wanted []Node) string {
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
	if len(found) == 0 {
		return sameInstances
	}
	if more := len(found) - shownDifferences; more > 0 {
		found = append(found[:shownDifferences], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(found, "; ")
}

const sameInstances = "the same instances in another order"

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
	nodes := DescribeDifference(c.Nodes, coordinator.Nodes)
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
	case nodes == sameInstances && Digest("", c.Nodes) == Digest("", coordinator.Nodes):
		return "it has other managers for the instances"
	}
	return nodes
}
