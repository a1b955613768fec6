package stores

import (
	"dkvrun/builtins/internal/topology"
	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

var oneTopology = runtime.Param{Name: "nodes", Type: runtime.Table, Required: true, Doc: "the topology: a list of nodes"}

var TopologyValidate = runtime.Builtin{
	Name: "topology.validate", Group: "Queries", Positional: 1,
	Doc:        "Checks a topology for everything that can be checked without a network: names, hosts, ports and duplicates.",
	Params:     []runtime.Param{oneTopology},
	Returns:    "`{ok, problem}`; problem is nil if the topology is valid",
	ReturnType: "validation",
	Example: `local t = topology{managers = "10.0.0.11", instance_prefix = "orders"}
print(topology.validate(t).ok)`,
	Impl: func(c *runtime.Call) (any, error) {
		problem := ""
		if nodes, err := topology.Parse(c, "nodes"); err != nil {
			problem = err.Error()
		} else if err := wire.CheckTopology(nodes); err != nil {
			problem = topology.AsWritten(err)
		}
		values := map[string]any{"ok": problem == ""}
		if problem != "" {
			values["problem"] = problem
		}
		return runtime.Record{Type: ValidationType, Values: values}, nil
	},
}

var ValidationType = &runtime.RecordType{Name: "validation", Doc: "The result of `topology.validate`.", Fields: []runtime.Field{
	{Name: "ok", Doc: "true if the topology is valid"},
	{Name: "problem", Doc: "the first problem, or nil"},
}}
