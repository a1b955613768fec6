package stores

import (
	"fmt"
	"strings"

	"dkvrun/builtins/internal/topology"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

var TopologyDiff = runtime.Builtin{
	Name: "topology.diff", Group: "Queries", Positional: 2,
	Doc: "Compares two topologies by the names of their nodes; a name that a topology has twice is refused. What one of them leaves open, such as the roles in what `topology` returns, is no difference.",
	Params: []runtime.Param{
		{Name: "from", Type: runtime.Table, Required: true, Fields: true, Doc: "a topology, or the table of named parameters that `new_store` or `topology` would take for it"},
		{Name: "to", Type: runtime.Table, Required: true, Fields: true, Doc: "another, in either form"},
	},
	Returns:    "`{same, added, removed, changed, lines}`: lists of node names; `tostring` prints one line per difference",
	ReturnType: "difference",
	Example: `local one = topology{managers = "10.0.0.11", instance_prefix = "orders"}
local two = topology{managers = "10.0.0.11,10.0.0.12", instance_prefix = "orders"}
print(topology.diff(one, two).added[1])`,
	Impl: func(c *runtime.Call) (any, error) {
		from, err := distinctNodes(c, "from")
		if err != nil {
			return nil, err
		}
		to, err := distinctNodes(c, "to")
		if err != nil {
			return nil, err
		}
		return diff(from, to), nil
	},
}

// distinctNodes reads a topology of which each node has another name, since nodes are compared by name.
func distinctNodes(c *runtime.Call, param string) ([]wire.Node, error) {
	nodes, err := nodesOf(c, param)
	if err != nil {
		return nil, err
	}
	first := make(map[string]int, len(nodes))
	for i, n := range nodes {
		key := strings.ToLower(n.Name)
		if j, taken := first[key]; taken {
			return nil, c.Misuse(param, "nodes[%d].name: %q is the name of nodes[%d] too", i+1, n.Name, j+1)
		}
		first[key] = i
	}
	return nodes, nil
}

// nodesOf reads a list of nodes, or generates those that a table for new_store describes.
func nodesOf(c *runtime.Call, param string) ([]wire.Node, error) {
	fields, named := c.Value(param).(map[string]any)
	if !named {
		return topology.Parse(c, param)
	}
	described, err := c.With(&runtime.Builtin{Params: Topology.Params}, fields)
	if err != nil {
		return nil, err
	}
	return plannedNodes(described)
}

var DiffType = &runtime.RecordType{Name: "difference", Doc: "The result of `topology.diff`.", Fields: []runtime.Field{
	{Name: "same", Doc: "true when nothing differs"},
	{Name: "added", Type: "list of string", Doc: "names that only the second has"},
	{Name: "removed", Type: "list of string", Doc: "names that only the first has"},
	{Name: "changed", Type: "list of string", Doc: "names that both have with another host, port or role"},
	{Name: "lines", Type: "list of string", Doc: "one line per difference: `orders-3: client_port 7861 → 7900`"},
}, String: func(r runtime.Record) string {
	lines, _ := r.Value("lines").(runtime.List)
	if len(lines.Items) == 0 {
		return "no difference"
	}
	text := make([]string, len(lines.Items))
	for i, line := range lines.Items {
		text[i] = fmt.Sprint(line)
	}
	return strings.Join(text, "\n")
}}

func diff(from, to []wire.Node) runtime.Record {
	old := map[string]wire.Node{}
	for _, n := range from {
		old[n.Name] = n
	}
	var added, removed, changed, lines runtime.List
	note := func(list *runtime.List, name string, differences ...string) {
		list.Items = append(list.Items, name)
		for _, d := range differences {
			lines.Items = append(lines.Items, name+": "+d)
		}
	}
	for _, n := range to {
		before, known := old[n.Name]
		delete(old, n.Name)
		if !known {
			note(&added, n.Name, "added, "+describeNode(n))
		} else if differences := changes(before, n); len(differences) > 0 {
			note(&changed, n.Name, differences...)
		}
	}
	for _, n := range from {
		if _, gone := old[n.Name]; gone {
			note(&removed, n.Name, "removed, "+describeNode(n))
		}
	}
	return runtime.Record{Type: DiffType, Values: map[string]any{
		"same": len(lines.Items) == 0, "added": added, "removed": removed, "changed": changed, "lines": lines,
	}}
}

// changes returns a text for each field that differs. A field that one of the nodes leaves open does not.
func changes(from, to wire.Node) []string {
	var out []string
	field := func(name string, from, to any, open bool) {
		if from != to && !open {
			out = append(out, fmt.Sprintf("%s %v → %v", name, from, to))
		}
	}
	field("host", from.Host, to.Host, from.Host == "" || to.Host == "")
	field("clustron_port", from.ClustronPort, to.ClustronPort, from.ClustronPort == 0 || to.ClustronPort == 0)
	field("client_port", from.ClientPort, to.ClientPort, from.ClientPort == 0 || to.ClientPort == 0)
	field("role", from.Role, to.Role, from.Role == "" || to.Role == "")
	return out
}

func describeNode(n wire.Node) string {
	at := fanout.Endpoint{Host: n.Host, Port: n.ClustronPort}
	return fmt.Sprintf("%s, client:%d", at, n.ClientPort)
}
