package stores

import (
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/internal/topology"
	"dkvrun/runtime"
)

var Topology = runtime.Builtin{
	Name: "topology", Group: "Queries",
	Doc: "Generates the topology that `new_store` would create, without using the network: `instance_count` nodes on each server, with names that count through the cluster, server by server.",
	Params: params.Join([]runtime.Param{
		{Name: "managers", Type: runtime.Strings, Check: params.CheckServers, Doc: "the servers; by default those of the session"},
		params.Port,
	}, topology.PlanParams),
	Returns:    "a list of `{name, host, clustron_port, client_port, manager}`; `tostring` prints one line per node",
	ReturnType: "list of node",
	Example:    `print(topology{managers = "10.0.0.11,10.0.0.12", instance_prefix = "orders", instance_count = 2})`,
	Impl: func(c *runtime.Call) (any, error) {
		s, err := run.Of(c).CallSession(c)
		if err != nil {
			return nil, err
		}
		if !c.Has("instance_prefix") {
			return nil, c.Misuse("instance_prefix", "required, but not given")
		}
		nodes, err := topology.Generate(c, s.Endpoints())
		if err != nil {
			return nil, err
		}
		return topology.List(nodes), nil
	},
}
