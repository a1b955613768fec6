package stores

import (
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
)

var StopStore = runtime.Builtin{
	Name: "stop_store", Group: "Actions", Positional: 1,
	Doc: "Stops every instance of a store; the data stays. A stop that takes longer than 10 s ends in a kill.",
	Params: params.Join([]runtime.Param{
		params.Name, params.InstanceName(false, "only this instance"), params.Force,
	}, params.Execution(30)),
	Returns:    "results: one StopInstance row per instance",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
stop_store("OrdersStore"):check()`,
	Impl: func(c *runtime.Call) (any, error) { return run.ChangeInstances(c, c.Bool("force"), run.Stop) },
}
