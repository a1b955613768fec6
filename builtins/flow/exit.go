package flow

import "dkvrun/runtime"

var Exit = runtime.Builtin{
	Name: "exit", Group: "Time", Positional: 2,
	Doc: "Ends the run with a status, also from a task, after the functions of `at_exit`. `pcall` does not stop it.",
	Params: []runtime.Param{
		{Name: "status", Type: runtime.Integer, Min: runtime.Bound(0), Max: runtime.Bound(255), Default: 0, Doc: "the exit status"},
		{Name: "message", Type: runtime.String, Doc: "printed on standard error"},
	},
	Returns: "never",
	Example: `if #managers() > 99 then exit(3, "too many managers") end`,
	Impl: func(c *runtime.Call) (any, error) {
		return nil, &runtime.Exit{Status: c.Int("status"), Message: c.String("message")}
	},
}
