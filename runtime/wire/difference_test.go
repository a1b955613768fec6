package wire

import (
	"slices"
	"strings"
	"testing"
)

// Another order is reported only if it is the only difference, with the order of the store. Equal topologies, which a
// manager compares when others have a different one, are no other topology.
func TestDifference_RefuseExisting(t *testing.T) {
	node := func(name string, port int) Node {
		return Node{Name: name, Host: "10.0.0.11", ClustronPort: port, ClientPort: port + 50, Role: Data, Manager: "10.0.0.11:7801"}
	}
	there := []Node{node("a", 7811), node("b", 7812), node("c", 7813)}
	reversed := slices.Clone(there)
	slices.Reverse(reversed)
	moved := slices.Clone(reversed)
	moved[0].ClientPort = 9000
	renamed := slices.Clone(there)
	renamed[0].Name = "d"
	elsewhere := slices.Clone(there)
	elsewhere[0].Manager = "localhost:7801"
	for _, c := range []struct {
		name   string
		wanted []Node
		says   string
	}{
		{"equal", there, "store S exists already, with these instances"},
		{"a manager under another name", elsewhere, "store S exists already, with these instances"},
		{"another order", reversed, "store S exists already with another topology: the same instances in another order: a, b, c"},
		{"another order and port", moved, "store S exists already with another topology: c has client port 7863, not 9000"},
		{"another name", renamed, "store S exists already with another topology: a is not in the request; d is not in the store"},
	} {
		r := RefuseExisting("S", there, c.wanted)
		if r.Message != c.says || r.Code != CodeStoreExists || !strings.Contains(r.Hint, `"S"`) {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
}

func TestDifference_OfContents(t *testing.T) {
	a := &Configuration{Creation: "op-1", Revision: 1, Nodes: []Node{{Name: "a", Manager: "x:7801"}, {Name: "b", Manager: "y:7801"}}}
	for says, change := range map[string]func(*Configuration){
		"": func(*Configuration) {},
		"it has other managers for the instances":    func(c *Configuration) { c.Nodes[0].Manager = "z:7801" },
		"the same instances in another order: b, a":  func(c *Configuration) { slices.Reverse(c.Nodes) },
		"b has role gateway, not ":                   func(c *Configuration) { c.Nodes[1].Role = Gateway },
		"it has revision 2, not 1":                   func(c *Configuration) { c.Revision = 2 },
		"it has manager m-2 as the coordinator":      func(c *Configuration) { c.Coordinator = "m-2" },
		"it was created by operation op-2, not op-1": func(c *Configuration) { c.Creation = "op-2" },
		"it lists other managers":                    func(c *Configuration) { c.Managers = []Manager{{}} },
		"it lists other founders":                    func(c *Configuration) { c.Founders = []Founder{{}} },
	} {
		b := *a
		b.Nodes = slices.Clone(a.Nodes)
		change(&b)
		if got := DescribeContentDifference(&b, a); got != says {
			t.Errorf("%q, want %q", got, says)
		}
	}
}
