package builtins

import (
	"fmt"

	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
)

var Sleep = runtime.Builtin{
	Name: "sleep", Group: "Time", Positional: 1,
	Doc:     "Waits. Ctrl-C and `--timeout` end it.",
	Params:  []runtime.Param{{Name: "sec", Type: runtime.Number, Required: true, Min: runtime.Bound(0), Max: runtime.Bound(1e9), Doc: "seconds"}},
	Returns: "nothing",
	Example: `sleep(0.1)`,
	Impl: func(c *runtime.Call) (any, error) {
		return nil, run.Pause(c.Context(), params.Seconds(c.Float("sec")))
	},
}

var Exit = runtime.Builtin{
	Name: "exit", Group: "Time", Positional: 2,
	Doc: "Ends the run with a status, also from a task, after the functions of `at_exit`. `pcall` does not stop it.",
	Params: []runtime.Param{
		{Name: "status", Type: runtime.Integer, Min: runtime.Bound(0), Max: runtime.Bound(255), Default: 0, Doc: "the exit status"},
		{Name: "message", Type: runtime.String, Doc: "said on standard error"},
	},
	Returns: "never",
	Example: `if #managers() > 99 then exit(3, "too many managers") end`,
	Impl: func(c *runtime.Call) (any, error) {
		return nil, &runtime.Exit{Status: c.Int("status"), Message: c.String("message")}
	},
}

var Show = runtime.Builtin{
	Name: "show", Group: "Output", Positional: 1,
	Doc:     "Prints values as `-e` shows them: tables in full, lists of rows as a table.",
	Params:  []runtime.Param{{Name: "values", Type: runtime.Any, Rest: true, Doc: "anything"}},
	Returns: "nothing",
	Example: `show(topology{managers = "10.0.0.11", instance_prefix = "orders"})`,
	Impl: func(c *runtime.Call) (any, error) {
		values, _ := c.Value("values").([]any)
		for _, v := range values {
			if _, err := fmt.Fprintln(run.Of(c).Stdout, runtime.Format(v)); err != nil {
				return nil, err
			}
		}
		return nil, nil
	},
}
