package flow

import (
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
)

var Sleep = runtime.Builtin{
	Name: "sleep", Group: "Time", Positional: 1,
	Doc: "Waits for a number of seconds. Ctrl-C and `--timeout` interrupt it.",
	Params: []runtime.Param{
		{Name: "sec", Type: runtime.Number, Required: true, Min: runtime.Bound(0), Max: runtime.Bound(1e9), Doc: "seconds"},
	},
	Returns: "nothing",
	Example: `sleep(0.1)`,
	Impl: func(c *runtime.Call) (any, error) {
		return runtime.Values{}, run.Pause(c.Context(), params.Seconds(c.Float("sec")))
	},
}
