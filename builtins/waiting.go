package builtins

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
)

func secondsParam(name string, least, standard float64, doc string) runtime.Param {
	return runtime.Param{Name: name, Type: runtime.Number, Min: runtime.Bound(least), Max: runtime.Bound(1e9), Default: standard, Doc: doc}
}

var Retry = runtime.Builtin{
	Name: "retry", Group: "Time", Positional: 1,
	Doc: "Calls a function until it neither raises nor returns a failed result. What is misused is not tried again: it would fail in the same way.",
	Params: []runtime.Param{
		funcParam("what to try; it gets the number of the attempt"),
		{Name: "times", Type: runtime.Integer, Min: runtime.Bound(1), Max: runtime.Bound(1e6), Default: 3, Doc: "how often, at most"},
		secondsParam("delay_sec", 0, 1, "seconds before the second attempt"),
		{Name: "backoff", Type: runtime.Number, Min: runtime.Bound(1), Max: runtime.Bound(100), Default: 2.0, Doc: "by what the delay grows each time"},
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
	for attempt := 1; ; attempt++ {
		values, err := c.Func("f").Call(c.Context(), c, attempt)
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

// failedResult is the failure of results that a function returned; this is looking at them.
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

var WaitUntil = runtime.Builtin{
	Name: "wait_until", Group: "Time", Positional: 1,
	Doc: "Calls a function again and again until what it returns is neither false nor nil. Raises, with the last value, when the time is over, and what the function raises at once.",
	Params: []runtime.Param{
		funcParam("what to ask; the time's end cuts it off"),
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
	for {
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

var Deadline = runtime.Builtin{
	Name: "deadline", Group: "Time", Positional: 2,
	Doc: "Runs a function that has to end in time: when the time is over, what it does is cancelled and deadline raises, code `timeout`.",
	Params: []runtime.Param{
		{Name: "sec", Type: runtime.Number, Required: true, Min: runtime.Bound(0.001), Max: runtime.Bound(1e9), Doc: "seconds"},
		funcParam("what to run"),
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

// late is the error of a deadline that has passed, with the place where the function was.
func late(c *runtime.Call, limit time.Duration, at *runtime.Error) error {
	err := c.Errorf("timeout", "deadline: not done after %s", limit)
	if at.Line > 0 && (at.File != c.File || at.Line != c.Line) {
		err.Message += fmt.Sprintf(": it was at %s:%d", at.File, at.Line)
	}
	err.Hint, err.Traceback = at.Hint, at.Traceback
	return err
}
