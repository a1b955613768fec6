package flow

import (
	"fmt"

	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
	"dkvrun/runtime/printable"
)

var Show = runtime.Builtin{
	Name: "show", Group: "Output", Positional: 1,
	Doc:     "Prints values as `-e` shows them: tables in full, lists of rows as a table.",
	Params:  []runtime.Param{{Name: "values", Type: runtime.Any, Rest: true, Doc: "anything"}},
	Returns: "nothing",
	Example: `show(topology{managers = "10.0.0.11", instance_prefix = "orders"})`,
	Impl: func(c *runtime.Call) (any, error) {
		values, _ := c.Value("values").([]any)
		for _, v := range values {
			if _, err := fmt.Fprintln(run.Of(c).Stdout, printable.Text(runtime.Format(v))); err != nil {
				return nil, err
			}
		}
		return runtime.Values{}, nil
	},
}
