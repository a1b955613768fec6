package flow

import (
	"context"
	"errors"

	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
)

var Step = runtime.Builtin{
	Name: "step", Group: "Tasks", Positional: 2,
	Doc: "Runs a function as a named step: standard error shows when it begins, how it ends (done, failed, interrupted, timed out) and how long it took, and `-o json` lists it. Steps can be nested.",
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
	end(stepResult(c.Context(), err))
	if err != nil {
		return nil, err
	}
	return values, nil
}

// stepResult returns the result of a step in ctx whose function returned err.
func stepResult(ctx context.Context, err error) string {
	var exit *runtime.Exit
	switch {
	case err == nil, errors.As(err, &exit) && exit.Status == 0:
		return report.StepDone
	case exit != nil: // which cancels ctx, too
		return report.StepFailed
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return report.StepTimedOut
	case ctx.Err() != nil:
		return report.StepInterrupted
	}
	return report.StepFailed
}
