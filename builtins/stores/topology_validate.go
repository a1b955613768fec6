package stores

import (
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
