package topology

import (
	"fmt"
	"strings"

	"dkvrun/builtins/internal/text"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// NodeType declares the fields of a topology's nodes.
var NodeType = &runtime.RecordType{
	Name: "node", Doc: "One instance of a topology.",
	Fields: []runtime.Field{
		{Name: "name", Doc: "`<prefix>-<index>`"},
		{Name: "host", Doc: "the server"},
		{Name: "clustron_port", Doc: "cluster port, the port for the store's other instances"},
		{Name: "client_port", Doc: "port for applications"},
		{Name: "role", Doc: "`data` or `gateway`; nil until the store is created"},
		{Name: "manager", Doc: "host:port of the manager that will run it"},
	},
}

func nodeRecord(n wire.Node) runtime.Record {
	return runtime.Record{Type: NodeType, Get: func(field string) any {
		switch field {
		case "name":
			return n.Name
		case "host":
			return n.Host
		case "clustron_port":
			return n.ClustronPort
		case "client_port":
			return n.ClientPort
		case "role":
			return text.OrNil(string(n.Role))
		case "manager":
			return text.OrNil(n.Manager)
		}
		return nil
	}}
}

// List returns a topology in the form for scripts.
func List(nodes []wire.Node) runtime.List {
	list := runtime.List{Items: make([]any, 0, len(nodes)), String: func(items []any) string {
		nodes, err := fromItems(items)
		if err != nil {
			return "not a topology: " + err.Error()
		}
		return lines(nodes)
	}}
	for _, n := range nodes {
		list.Items = append(list.Items, nodeRecord(n))
	}
	return list
}

// lines renders each node as a line: orders-1   10.0.0.11:7811   client:7861.
func lines(nodes []wire.Node) string {
	nameWidth, atWidth := 0, 0
	at := make([]string, len(nodes))
	for i, n := range nodes {
		at[i] = fanout.Endpoint{Host: n.Host, Port: n.ClustronPort}.String()
		nameWidth, atWidth = max(nameWidth, len(n.Name)), max(atWidth, len(at[i]))
	}
	var b strings.Builder
	for i, n := range nodes {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%-*s   %-*s   client:%d", nameWidth, n.Name, atWidth, at[i], n.ClientPort)
	}
	return b.String()
}
