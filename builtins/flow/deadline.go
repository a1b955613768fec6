package flow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dkvrun/builtins/internal/params"
	"dkvrun/runtime"
)

var Deadline = runtime.Builtin{
	Name: "deadline", Group: "Time", Positional: 2,
	Doc: "Runs a function with a time limit: when the time is over, the function is cancelled and `deadline` raises an error with the code `timeout`.",
	Params: []runtime.Param{
		{Name: "sec", Type: runtime.Number, Required: true, Min: runtime.Bound(0.001), Max: runtime.Bound(1e9), Doc: "seconds"},
		funcParam("the function to run"),
	},
	Returns: "what the function returns",
	Example: `deadline(30, function() print(#get_store()) end)`,
	Impl: func(c *runtime.Call) (any, error) {
		limit := params.Seconds(c.Float("sec"))
		ctx, cancel := context.WithTimeout(c.Context(), limit)
		defer cancel()
		values, err := c.Func("f").Call(ctx, c)
		var e *runtime.Error
		if err != nil && c.Context().Err() == nil && ctx.Err() != nil && errors.As(err, &e) {
			return nil, late(c, limit, e)
		}
		if err != nil {
			return nil, err
		}
		return values, nil
	},
}

// late returns the error for a deadline that has passed, with the position where the function was interrupted.
func late(c *runtime.Call, limit time.Duration, at *runtime.Error) error {
	err := c.Errorf("timeout", "deadline: not done after %s", limit)
	if at.Line > 0 && (at.File != c.File || at.Line != c.Line) {
		err.Message += fmt.Sprintf(": it was at %s:%d", at.File, at.Line)
	}
	err.Hint, err.Traceback, err.InDoubt = at.Hint, at.Traceback, at.InDoubt
	return err
}
