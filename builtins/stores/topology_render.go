package stores

import (
	"bytes"
	"fmt"
	"strings"

	"dkvrun/builtins/internal/text"
	"dkvrun/builtins/internal/topology"
	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

var TopologyRender = runtime.Builtin{
	Name: "topology.render", Group: "Queries", Positional: 2,
	Doc: "Draws a topology: as a table, as a Mermaid or Graphviz graph, or as JSON.",
	Params: []runtime.Param{
		oneTopology,
		{Name: "format", Type: runtime.String, Enum: []string{"table", "mermaid", "dot", "json"}, Default: "table", Doc: "the output format"},
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

// graph draws a box for each host, with its nodes in it.
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
