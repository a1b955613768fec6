// Package topology reads, generates, checks and shows the nodes of a store.
package topology

import (
	"fmt"
	"slices"

	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

// Parse reads a parameter that holds a topology.
func Parse(c *runtime.Call, param string) ([]wire.Node, error) {
	items, ok := c.Value(param).([]any)
	if !ok {
		return nil, c.Misuse(param, "got a table of named fields, want a list of nodes")
	}
	nodes, err := fromItems(items)
	if err != nil {
		return nil, c.Misuse(param, "%v", err)
	}
	return nodes, nil
}

// fromItems reads nodes from the tables of a script. It refuses unknown fields.
func fromItems(items []any) ([]wire.Node, error) {
	nodes := make([]wire.Node, len(items))
	for i, item := range items {
		var fields map[string]any
		switch item := item.(type) {
		case map[string]any:
			fields = item
		case runtime.Record:
			fields = item.Fields()
		default:
			return nil, fmt.Errorf("nodes[%d] is not a table with name, host, clustron_port and client_port", i+1)
		}
		n := &nodes[i]
		for key, value := range fields {
			if value == nil {
				continue
			}
			if err := SetField(n, key, value); err != nil {
				return nil, fmt.Errorf("nodes[%d].%s: %v", i+1, key, err)
			}
		}
	}
	return nodes, nil
}

func SetField(n *wire.Node, key string, value any) error {
	switch key {
	case "name":
		return setString(&n.Name, value)
	case "host":
		return setString(&n.Host, value)
	case "manager":
		return setString(&n.Manager, value)
	case "role":
		return setString((*string)(&n.Role), value)
	case "clustron_port":
		return setPort(&n.ClustronPort, value)
	case "client_port":
		return setPort(&n.ClientPort, value)
	}
	var names []string
	for _, f := range NodeType.Fields {
		names = append(names, f.Name)
	}
	if near := runtime.Suggest(key, names); near != "" {
		return fmt.Errorf("a node has no such field: did you mean %s?", near)
	}
	return fmt.Errorf("a node has no such field")
}

func setString(to *string, value any) error {
	s, ok := value.(string)
	if !ok {
		return fmt.Errorf("got %v, want a string", value)
	}
	*to = s
	return nil
}

func setPort(to *int, value any) error {
	port, ok := value.(int)
	if !ok || port < 1 || port > 65535 {
		return fmt.Errorf("%v is not a port: 1 to 65535", value)
	}
	*to = port
	return nil
}

func Names(nodes []wire.Node) []string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Name
	}
	return names
}

// SamePlan reports whether two topologies have the same nodes. It ignores roles and managers, which operators don't
// plan.
func SamePlan(a, b []wire.Node) bool {
	return slices.EqualFunc(a, b, func(x, y wire.Node) bool {
		x.Role, x.Manager, y.Role, y.Manager = "", "", "", ""
		return x == y
	})
}
