package flow

import (
	"errors"
	"fmt"

	"github.com/cenkalti/backoff/v5"

	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
)

func secondsParam(name string, least, standard float64, doc string) runtime.Param {
	return runtime.Param{
		Name: name, Type: runtime.Number, Min: runtime.Bound(least), Max: runtime.Bound(1e9), Default: standard, Doc: doc,
	}
}

var Retry = runtime.Builtin{
	Name: "retry", Group: "Time", Positional: 1,
	Doc: "Calls a function until it neither raises nor returns a failed result. An error of misuse is not retried: it would occur again.",
	Params: []runtime.Param{
		funcParam("what to try; it gets the number of the attempt"),
		{Name: "times", Type: runtime.Integer, Min: runtime.Bound(1), Max: runtime.Bound(1e6), Default: 3, Doc: "the largest number of attempts"},
		secondsParam("delay_sec", 0, 1, "seconds before the second attempt"),
		{Name: "backoff", Type: runtime.Number, Min: runtime.Bound(1), Max: runtime.Bound(100), Default: 2.0, Doc: "the factor by which the delay grows each time"},
	},
	Returns: "what the function returns; raises what the last attempt failed with",
	Example: `local stores = retry{times = 5, delay_sec = 0.1, f = function() return get_store() end}
print(#stores)`,
	Impl: retry,
}

func retry(c *runtime.Call) (any, error) {
	r := run.Of(c)
	times := c.Int("times")
	delays := &backoff.ExponentialBackOff{
		InitialInterval: params.Seconds(c.Float("delay_sec")), Multiplier: c.Float("backoff"), MaxInterval: params.Seconds(1e9),
	}
	ctx, looks := run.WithLooks(c.Context())
	for attempt := 1; ; attempt++ {
		looks.Again()
		values, err := c.Func("f").Call(ctx, c, attempt)
		if err == nil {
			if err = failedResult(c, values); err == nil {
				return values, nil
			}
		}
		var e *runtime.Error
		if c.Context().Err() != nil || !errors.As(err, &e) || e.Code == runtime.CodeUsage || e.Code == runtime.CodeBug {
			return nil, err
		}
		if attempt == times {
			return nil, e.Because(fmt.Sprintf("retry: %d of %d attempts failed, the last: %s", times, times, e.Message))
		}
		r.Reporter.Progress(fmt.Sprintf("retry: attempt %d of %d failed: %s", attempt, times, e.Message))
		err = run.Pause(c.Context(), delays.NextBackOff())
		r.Reporter.Progress("")
		if err != nil {
			return nil, err
		}
	}
}

// failedResult returns the failure of the results that a function returned. It marks them as checked.
func failedResult(c *runtime.Call, values runtime.Values) error {
	o := values.First().Object()
	if o == nil || o.ObjectType().Assert == nil {
		return nil
	}
	err := o.ObjectType().Assert(o)
	var e *runtime.Error
	if errors.As(err, &e) && e.Line == 0 {
		placed := *e
		placed.File, placed.Line = c.File, c.Line
		return &placed
	}
	return err
}
