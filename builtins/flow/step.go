package flow

import (
	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
)

var Step = runtime.Builtin{
	Name: "step", Group: "Tasks", Positional: 2,
	Doc: "Runs a function as a named step: standard error shows when it begins, how it ends and how long it took, and `-o json` lists it. Steps can be nested.",
	Params: []runtime.Param{
		{Name: "name", Type: runtime.String, Required: true, Doc: "the step's name, as it is shown"},
		funcParam("the function to run"),
	},
	Returns: "what the function returns",
	Example: `step("look around", function() print(#get_store()) end)`,
	Impl:    step,
}

func step(c *runtime.Call) (any, error) {
	r := run.Of(c)
	inner := *r.Scope(c)
	end := r.BeginStep(c.String("name"), inner.Depth)
	inner.Depth++
	values, err := c.Func("f").Call(inner.Context(c.Context()), c)
	end(err == nil)
	if err != nil {
		return nil, err
	}
	return values, nil
}
