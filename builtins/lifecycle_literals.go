package builtins

import (
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
)

var forceStop = runtime.Param{Name: "force", Type: runtime.Boolean, Default: false, Doc: "kill at once instead of stopping gracefully"}

var StartStore = runtime.Builtin{
	Name: "start_store", Group: "Actions", Positional: 1,
	Doc: "Starts every instance of a store, each through its own manager. It answers when the processes are up; `wait_ready` waits until the store takes writes.",
	Params: params.Join([]runtime.Param{
		params.Name, params.InstanceName(false, "only this instance"),
	}, params.Execution(30)),
	Returns:    "results: a StartInstance row an instance",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
start_store{"OrdersStore", parallel = true}:check()`,
	Impl: func(c *runtime.Call) (any, error) { return run.ChangeInstances(c, false, run.Start) },
}

var StopStore = runtime.Builtin{
	Name: "stop_store", Group: "Actions", Positional: 1,
	Doc: "Stops every instance of a store; the data stays. A stop that takes longer than 10 s ends in a kill.",
	Params: params.Join([]runtime.Param{
		params.Name, params.InstanceName(false, "only this instance"), forceStop,
	}, params.Execution(30)),
	Returns:    "results: a StopInstance row an instance",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
stop_store("OrdersStore"):check()`,
	Impl: func(c *runtime.Call) (any, error) { return run.ChangeInstances(c, c.Bool("force"), run.Stop) },
}

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

var StopInstance = runtime.Builtin{
	Name: "stop_instance", Group: "Actions", Positional: 2,
	Doc:        "Stops one instance; a leader hands over first.",
	Params:     params.Join([]runtime.Param{params.Name, params.InstanceName(true, "the instance"), forceStop}, params.Execution(30)),
	Returns:    "results with one StopInstance row",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
stop_instance("OrdersStore", "orders-1"):check()`,
	Impl: func(c *runtime.Call) (any, error) { return run.ChangeInstances(c, c.Bool("force"), run.Stop) },
}

var RestartInstance = runtime.Builtin{
	Name: "restart_instance", Group: "Actions", Positional: 2,
	Doc:        "Stops one instance and starts it again. When the stop fails it is not started.",
	Params:     params.Join([]runtime.Param{params.Name, params.InstanceName(true, "the instance"), forceStop}, params.Execution(30)),
	Returns:    "results: a StopInstance row and a StartInstance row",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
restart_instance("OrdersStore", "orders-1"):check()`,
	Impl: func(c *runtime.Call) (any, error) {
		return run.ChangeInstances(c, c.Bool("force"), run.Stop, run.Start)
	},
}
