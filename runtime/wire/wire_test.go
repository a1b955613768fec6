package wire

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestWire_Names(t *testing.T) {
	for _, good := range []string{"a", "OrdersStore", "a-1_b", strings.Repeat("x", 63)} {
		if err := CheckName(good); err != nil {
			t.Errorf("%q is refused: %v", good, err)
		}
	}
	for _, bad := range []string{"", "1a", "-a", "_a", "a b", "a/b", "a.b", "..", "ä", "a\x00", strings.Repeat("x", 64)} {
		if CheckName(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestWire_Hosts(t *testing.T) {
	for _, good := range []string{"10.0.0.11", "::1", "fe80::1", "db-1.example.com", "localhost"} {
		if err := CheckHost(good); err != nil {
			t.Errorf("%q is refused: %v", good, err)
		}
	}
	for _, bad := range []string{"", "0.0.0.0", "::", "0::0", "a b", "a/b", "a:1", "[::1]", strings.Repeat("a", 254)} {
		if CheckHost(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// plan returns n nodes on each of the hosts.
func plan(n int, hosts ...string) []Node {
	var out []Node
	for _, host := range hosts {
		for i := range n {
			out = append(out, Node{Name: fmt.Sprintf("n-%d", len(out)+1), Host: host, ClustronPort: 7811 + i, ClientPort: 7861 + i})
		}
	}
	return out
}

func TestWire_InvalidTopologies(t *testing.T) {
	for field, spoil := range map[string]func([]Node) []Node{
		"nodes":                 func(n []Node) []Node { return nil },
		"nodes[1].name":         func(n []Node) []Node { n[1].Name = "N-1"; return n },
		"nodes[0].name":         func(n []Node) []Node { n[0].Name = "../x"; return n },
		"nodes[2].host":         func(n []Node) []Node { n[2].Host = "0.0.0.0"; return n },
		"nodes[0].role":         func(n []Node) []Node { n[0].Role = "leader"; return n },
		"nodes[3].clustronPort": func(n []Node) []Node { n[3].ClustronPort = 65536; return n },
		"nodes[3].clientPort":   func(n []Node) []Node { n[3].ClientPort = n[3].ClustronPort; return n },
		"nodes[1].clustronPort": func(n []Node) []Node { n[1].ClustronPort = n[0].ClientPort; return n },
		"nodes[0].clientPort":   func(n []Node) []Node { n[0].Manager = "a:7861"; return n },
	} {
		err := CheckTopology(spoil(plan(2, "a", "b")))
		var problem *topologyError
		if !errors.As(err, &problem) || problem.Field != field {
			t.Errorf("%s: got %v", field, err)
		}
	}
	if err := CheckTopology(plan(2, "a", "b")); err != nil {
		t.Error(err)
	}
	if CheckTopology(plan(257, "a")) == nil {
		t.Error("257 instances are taken")
	}
}

func roles(nodes []Node) string {
	var b strings.Builder
	for _, n := range nodes {
		b.WriteString(string(n.Role)[:1])
	}
	return b.String()
}

func TestWire_RolesAreSpreadOverHosts(t *testing.T) {
	for _, c := range []struct {
		nodes []Node
		want  string
	}{
		{plan(1, "a"), "d"},
		{plan(1, "a", "b"), "dd"},
		{plan(1, "a", "b", "c"), "ddd"},
		{plan(2, "a", "b"), "ddd" + "g"},
		{plan(2, "a", "b", "c"), "dddddg"},
		{plan(5, "a", "b", "c", "d"), "ddggg" + "dgggg" + "dgggg" + "dgggg"},
		{plan(1, "a", "b", "c", "d", "e", "f"), "dddddg"},
		{plan(6, "a"), "dddddg"},
	} {
		if got := roles(AssignRoles(c.nodes)); got != c.want {
			t.Errorf("%d nodes: got %s, want %s", len(c.nodes), got, c.want)
		}
	}
}

func TestWire_RolesAreSticky(t *testing.T) {
	nodes := AssignRoles(plan(1, "a", "b", "c", "d"))
	if roles(nodes) != "dddg" {
		t.Fatal(roles(nodes))
	}
	// The new node and the gateway become data instances; hosts without data come first.
	nodes = AssignRoles(append(nodes, Node{Name: "new", Host: "a"}))
	if roles(nodes) != "ddddd" {
		t.Error(roles(nodes))
	}
	// With one data instance less the target is three again: data instances don't become gateways.
	nodes = AssignRoles(nodes[1:])
	if roles(nodes) != "dddd" {
		t.Error(roles(nodes))
	}
	if got := len(Founders(nodes)); got != 4 {
		t.Errorf("%d founders", got)
	}
}

// If some nodes may not become data instances, the store has fewer of them than the target.
func TestWire_RolesAmongEligibleNodes(t *testing.T) {
	nodes := AssignRoles(plan(1, "a", "b", "c", "d"))
	not := func(name string) func(Node) bool { return func(n Node) bool { return n.Name != name } }
	if got := roles(AssignRolesAmong(nodes[1:], not(nodes[3].Name))); got != "ddg" {
		t.Error(got)
	}
	if got := roles(AssignRolesAmong(nodes[1:], not(nodes[1].Name))); got != "ddd" {
		t.Error(got)
	}
}

func TestWire_DataTarget(t *testing.T) {
	for n, want := range map[int]int{1: 1, 2: 2, 3: 3, 4: 3, 5: 5, 6: 5, 7: 5, 256: 5} {
		if got := DataTarget(n); got != want {
			t.Errorf("of %d: %d, want %d", n, got, want)
		}
	}
}

// The digest is kept on disks and compared between versions: it must never change.
func TestWire_DigestIsGolden(t *testing.T) {
	nodes := AssignRoles(plan(2, "10.0.0.11", "10.0.0.12"))
	const want = "e6629e63f44a9411bb618217102065535897e25cc929191cb7463c6bdfe3644d"
	if got := Digest("OrdersStore", nodes); got != want {
		t.Errorf("got %s", got)
	}
	before := Digest("OrdersStore", nodes)
	nodes[0].Manager = "10.0.0.11:7801"
	if Digest("OrdersStore", nodes) != before {
		t.Error("the digest covers the manager's spelling")
	}
	for name, change := range map[string]func(*Node){
		"name": func(n *Node) { n.Name += "x" }, "host": func(n *Node) { n.Host += "x" }, "clustronPort": func(n *Node) { n.ClustronPort++ },
		"clientPort": func(n *Node) { n.ClientPort++ }, "role": func(n *Node) { n.Role = Gateway },
	} {
		other := append([]Node(nil), nodes...)
		change(&other[0])
		if Digest("OrdersStore", other) == before {
			t.Errorf("the digest does not cover the %s", name)
		}
	}
}

func TestWire_PathsEscapeNames(t *testing.T) {
	if got := InstancePath("a/b", "../c"); got != "/admin/v1/stores/a%2Fb/instances/..%2Fc" {
		t.Error(got)
	}
}
