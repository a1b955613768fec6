package instances

import (
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
)

var RestartInstance = runtime.Builtin{
	Name: "restart_instance", Group: "Actions", Positional: 2,
	Doc:        "Stops one instance and starts it again. If the stop fails, it is not started.",
	Params:     params.Join([]runtime.Param{params.Name, params.InstanceName(true, "the instance"), params.Force}, params.Execution(30)),
	Returns:    "results: a StopInstance row and a StartInstance row",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
restart_instance("OrdersStore", "orders-1"):check()`,
	Impl: func(c *runtime.Call) (any, error) {
		return run.ChangeInstances(c, c.Bool("force"), run.Stop, run.Start)
	},
}
