package builtins

import (
	"bytes"
	"fmt"
	"strings"

	"dkvrun/builtins/internal/text"
	"dkvrun/builtins/internal/topology"
	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

var oneTopology = runtime.Param{Name: "nodes", Type: runtime.Table, Required: true, Doc: "the topology: a list of nodes"}

var TopologyValidate = runtime.Builtin{
	Name: "topology.validate", Group: "Queries", Positional: 1,
	Doc:        "Checks a topology against everything that can be known without a network: names, hosts, ports, doubles.",
	Params:     []runtime.Param{oneTopology},
	Returns:    "`{ok, problem}`; problem is nil when ok",
	ReturnType: "validation",
	Example: `local t = topology{managers = "10.0.0.11", instance_prefix = "orders"}
print(topology.validate(t).ok)`,
	Impl: func(c *runtime.Call) (any, error) {
		nodes, err := topology.Parse(c, "nodes")
		if err == nil {
			err = wire.CheckTopology(nodes)
		}
		values := map[string]any{"ok": err == nil}
		if err != nil {
			values["problem"] = topology.AsWritten(err)
		}
		return runtime.Record{Type: ValidationType, Values: values}, nil
	},
}

var ValidationType = &runtime.RecordType{Name: "validation", Doc: "What topology.validate found.", Fields: []runtime.Field{
	{Name: "ok", Doc: "true when the topology can be"},
	{Name: "problem", Doc: "the first thing that can't be, nil when ok"},
}}

var TopologyDiff = runtime.Builtin{
	Name: "topology.diff", Group: "Queries", Positional: 2,
	Doc: "Compares two topologies by the names of their nodes.",
	Params: []runtime.Param{
		{Name: "from", Type: runtime.Table, Required: true, Doc: "a topology"},
		{Name: "to", Type: runtime.Table, Required: true, Doc: "another"},
	},
	Returns:    "`{same, added, removed, changed}`: lists of node names; `tostring` prints a line a difference",
	ReturnType: "difference",
	Example: `local one = topology{managers = "10.0.0.11", instance_prefix = "orders"}
local two = topology{managers = "10.0.0.11,10.0.0.12", instance_prefix = "orders"}
print(topology.diff(one, two).added[1])`,
	Impl: func(c *runtime.Call) (any, error) {
		from, err := topology.Parse(c, "from")
		if err != nil {
			return nil, err
		}
		to, err := topology.Parse(c, "to")
		if err != nil {
			return nil, err
		}
		return diff(from, to), nil
	},
}

var DiffType = &runtime.RecordType{Name: "difference", Doc: "What topology.diff found.", Fields: []runtime.Field{
	{Name: "same", Doc: "true when nothing differs"},
	{Name: "added", Doc: "names that only the second has"},
	{Name: "removed", Doc: "names that only the first has"},
	{Name: "changed", Doc: "names that both have with another host, port or role"},
}}

func diff(from, to []wire.Node) runtime.Record {
	old := map[string]wire.Node{}
	for _, n := range from {
		old[n.Name] = n
	}
	var added, removed, changed runtime.List
	for _, n := range to {
		before, known := old[n.Name]
		delete(old, n.Name)
		before.Manager, n.Manager = "", ""
		switch {
		case !known:
			added.Items = append(added.Items, n.Name)
		case before != n:
			changed.Items = append(changed.Items, n.Name)
		}
	}
	for _, n := range from {
		if _, gone := old[n.Name]; gone {
			removed.Items = append(removed.Items, n.Name)
		}
	}
	return runtime.Record{Type: DiffType, Values: map[string]any{
		"same": len(added.Items)+len(removed.Items)+len(changed.Items) == 0, "added": added, "removed": removed, "changed": changed,
	}}
}

var TopologyRender = runtime.Builtin{
	Name: "topology.render", Group: "Queries", Positional: 2,
	Doc: "Draws a topology: as a table, as a Mermaid or Graphviz graph, or as JSON.",
	Params: []runtime.Param{
		oneTopology,
		{Name: "format", Type: runtime.String, Enum: []string{"table", "mermaid", "dot", "json"}, Default: "table", Doc: "which picture"},
	},
	Returns: "a string",
	Example: `print(topology.render(topology{managers = "10.0.0.11", instance_prefix = "orders"}, "mermaid"))`,
	Impl: func(c *runtime.Call) (any, error) {
		nodes, err := topology.Parse(c, "nodes")
		if err != nil {
			return nil, err
		}
		switch c.String("format") {
		case "mermaid":
			return graph(nodes, "graph TD\n", "  subgraph %q\n", "    %s[\"%s<br/>%d / %d\"]\n", "  end\n", ""), nil
		case "dot":
			return graph(nodes, "digraph topology {\n", "  subgraph \"cluster_%[1]s\" { label=%[1]q;\n", "    %q [label=\"%s\\n%d / %d\"];\n", "  }\n", "}\n"), nil
		case "json":
			var b bytes.Buffer
			err := runtime.EncodeJSON(&b, topology.List(nodes))
			return strings.TrimSpace(b.String()), err
		}
		return nodeTable(nodes), nil
	},
}

// graph draws a box a host with its nodes in it.
func graph(nodes []wire.Node, head, open, node, shut, tail string) string {
	var b strings.Builder
	b.WriteString(head)
	seen := map[string]bool{}
	for _, host := range nodes {
		if seen[host.Host] {
			continue
		}
		seen[host.Host] = true
		fmt.Fprintf(&b, open, host.Host)
		for _, n := range nodes {
			if n.Host == host.Host {
				fmt.Fprintf(&b, node, n.Name, n.Name, n.ClustronPort, n.ClientPort)
			}
		}
		b.WriteString(shut)
	}
	b.WriteString(tail)
	return b.String()
}

func nodeTable(nodes []wire.Node) string {
	rows := [][]string{{"Instance", "Host", "Cluster", "Client", "Role"}}
	for _, n := range nodes {
		rows = append(rows, []string{n.Name, n.Host, fmt.Sprint(n.ClustronPort), fmt.Sprint(n.ClientPort), string(n.Role)})
	}
	return text.Columns(rows)
}
