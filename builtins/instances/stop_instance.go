package instances

import (
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
)

var StopInstance = runtime.Builtin{
	Name: "stop_instance", Group: "Actions", Positional: 2,
	Doc:        "Stops one instance; a leader transfers its leadership first.",
	Params:     params.Join([]runtime.Param{params.Name, params.InstanceName(true, "the instance"), params.Force}, params.Execution(30)),
	Returns:    "results with one StopInstance row",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
stop_instance("OrdersStore", "orders-1"):check()`,
	Impl: func(c *runtime.Call) (any, error) { return run.ChangeInstances(c, c.Bool("force"), run.Stop) },
}
