package wire

import (
	"fmt"
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
		return "the same instances in another order"
	}
	if more := len(found) - shownDifferences; more > 0 {
		found = append(found[:shownDifferences], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(found, "; ")
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
