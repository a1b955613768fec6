package session

import (
	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
)

var WithManagers = runtime.Builtin{
	Name: "with_managers", Group: "Session", Positional: 2,
	Doc: "Runs a function with another session, then restores the previous session, also after an error.",
	Params: []runtime.Param{
		{Name: "managers", Type: runtime.Strings, Required: true, Check: params.CheckServers, Doc: "as for `connect_managers`"},
		{Name: "f", Type: runtime.Function, Required: true, Doc: "the function to run"},
		params.Port, params.Timeout(30),
	},
	Returns: "what the function returns",
	Example: `connect_managers()
with_managers(managers()[1], function() print(#get_store()) end)`,
	Impl: func(c *runtime.Call) (any, error) {
		r := run.Of(c)
		endpoints, err := r.Endpoints(c)
		if err != nil {
			return nil, err
		}
		all := r.Probe(c, endpoints)
		other, err := cluster.Connect(c.Context(), c.Name, all, r.AllowDown)
		if err != nil {
			return nil, err
		}
		return c.Func("f").Call(r.Scope(c).WithSession(other).Context(c.Context()), c)
	},
}
