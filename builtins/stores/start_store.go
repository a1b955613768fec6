package stores

import (
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
)

var StartStore = runtime.Builtin{
	Name: "start_store", Group: "Actions", Positional: 1,
	Doc: "Starts every instance of a store, each through its own manager. It returns when the processes run; `wait_ready` waits until the store takes writes.",
	Params: params.Join([]runtime.Param{
		params.Name, params.InstanceName(false, "only this instance"),
	}, params.Execution(30)),
	Returns:    "results: one StartInstance row per instance",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
start_store{"OrdersStore", parallel = true}:check()`,
	Impl: func(c *runtime.Call) (any, error) { return run.ChangeInstances(c, false, run.Start) },
}
