package stores

import (
	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/internal/topology"
	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

var Topology = runtime.Builtin{
	Name: "topology", Group: "Queries", Positional: 2,
	Doc: "Generates the topology that `new_store` would create, without using the network: `instance_count` nodes on each server, with names that count through the cluster, server by server. " +
		"It takes all parameters of `new_store`, so that both can be given the same table; the name, and what says how managers are contacted, change nothing here.",
	Params:     newStoreParams(params.Optional(params.Name)),
	Returns:    "a list of `{name, host, clustron_port, client_port, manager}`; `tostring` prints one line per node",
	ReturnType: "list of node",
	Example: `print(topology{managers = "10.0.0.11,10.0.0.12", instance_prefix = "orders", instance_count = 2})
local store = {name = "OrdersStore", instance_prefix = "orders", parallel = true}
print(topology(store))
new_store(store):check()`,
	Impl: func(c *runtime.Call) (any, error) {
		nodes, err := plannedNodes(c)
		if err != nil {
			return nil, err
		}
		return topology.List(nodes), nil
	},
}

// plannedNodes returns the nodes that a call describes with the parameters of topology.
func plannedNodes(c *runtime.Call) ([]wire.Node, error) {
	var s *cluster.Session
	var err error
	if !c.Has("nodes") {
		if s, err = run.Of(c).CallSession(c); err != nil {
			return nil, err
		}
	}
	return wantedNodes(c, s)
}
