package instances

import (
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
)

var StartInstance = runtime.Builtin{
	Name: "start_instance", Group: "Actions", Positional: 2,
	Doc:        "Starts one instance.",
	Params:     params.Join([]runtime.Param{params.Name, params.InstanceName(true, "the instance")}, params.Execution(30)),
	Returns:    "results with one StartInstance row",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
start_instance("OrdersStore", "orders-1"):check()`,
	Impl: func(c *runtime.Call) (any, error) { return run.ChangeInstances(c, false, run.Start) },
}
