package stores

import (
	"dkvrun/builtins/internal/topology"
	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

var TopologyDiff = runtime.Builtin{
	Name: "topology.diff", Group: "Queries", Positional: 2,
	Doc: "Compares two topologies by the names of their nodes.",
	Params: []runtime.Param{
		{Name: "from", Type: runtime.Table, Required: true, Doc: "a topology"},
		{Name: "to", Type: runtime.Table, Required: true, Doc: "another"},
	},
	Returns:    "`{same, added, removed, changed}`: lists of node names; `tostring` prints one line per difference",
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

var DiffType = &runtime.RecordType{Name: "difference", Doc: "The result of `topology.diff`.", Fields: []runtime.Field{
	{Name: "same", Doc: "true when nothing differs"},
	{Name: "added", Doc: "names that only the second has"},
	{Name: "removed", Doc: "names that only the first has"},
	{Name: "changed", Doc: "names that both have, with a different host, port or role"},
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
