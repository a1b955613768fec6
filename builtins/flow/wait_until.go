package flow

import (
	"context"

	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
)

var WaitUntil = runtime.Builtin{
	Name: "wait_until", Group: "Time", Positional: 1,
	Doc: "Calls a function repeatedly until it returns neither false nor nil. Raises with the last value when the timeout has passed; an error of the function is raised at once.",
	Params: []runtime.Param{
		funcParam("the condition to wait for; it is cancelled when the timeout passes"),
		secondsParam("timeout_sec", 0.001, 60, "seconds to wait"),
		secondsParam("interval_sec", 0.001, 1, "seconds between two calls"),
	},
	Returns: "what the function returned last",
	Example: `wait_until{timeout_sec = 10, interval_sec = 0.1, f = function() return #get_store() == 0 end}`,
	Impl:    waitUntil,
}

func waitUntil(c *runtime.Call) (any, error) {
	r := run.Of(c)
	timeout := params.Seconds(c.Float("timeout_sec"))
	ctx, cancel := context.WithTimeout(c.Context(), timeout)
	defer cancel()
	defer r.Reporter.Progress("")
	last := "nothing yet"
	ctx, looks := run.WithLooks(ctx)
	for ; ; looks.Again() {
		values, err := c.Func("f").Call(ctx, c)
		switch {
		case c.Context().Err() != nil:
			return nil, c.Context().Err()
		case err != nil && ctx.Err() == nil:
			return nil, err
		case err == nil && values.First().Truth():
			return values, nil
		case err == nil:
			last = runtime.Format(c.Read(values.First()))
		}
		r.Reporter.Progress("wait_until: " + last)
		if ctx.Err() != nil || run.Pause(ctx, params.Seconds(c.Float("interval_sec"))) != nil {
			if err := c.Context().Err(); err != nil {
				return nil, err
			}
			return nil, c.Errorf("timeout", "wait_until: not true after %s: the last value was %s", timeout, last)
		}
	}
}
