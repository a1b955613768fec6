package builtins

import (
	"context"
	"errors"
	"math"
	"time"

	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// The parameters that many builtins share stand here once.

func check(f func(string) error) func(any) error {
	return func(v any) error { return f(v.(string)) }
}

var nameParam = runtime.Param{
	Name: "name", Alias: "store_name", Type: runtime.String, Required: true, Check: check(wire.CheckName),
	Doc: "the store's name: a letter, then up to 62 letters, digits, `_` or `-`",
}

func checkServers(v any) error { return fanout.CheckEndpoints(v.([]string)) }

func optional(p runtime.Param) runtime.Param {
	p.Required = false
	return p
}

func instanceName(required bool, doc string) runtime.Param {
	return runtime.Param{
		Name: "instance_name", Type: runtime.String, Required: required, Check: check(wire.CheckName), Doc: doc,
	}
}

var managersParam = runtime.Param{
	Name: "managers", Type: runtime.Strings, Check: checkServers,
	Doc: "these managers instead of the session's: `host`, `host:port`, several in one string with commas between",
}

var portParam = runtime.Param{
	Name: "port", Type: runtime.Integer, Min: runtime.Bound(1), Max: runtime.Bound(65535),
	Doc: "the port of managers that are given without one: 7801, or what `--manager-port` says",
}

func timeoutParam(sec float64) runtime.Param {
	return runtime.Param{
		Name: "timeout_sec", Type: runtime.Number, Min: runtime.Bound(0.001), Max: runtime.Bound(math.MaxInt32), Default: sec,
		Doc: "seconds for each manager's answer",
	}
}

var connectTimeoutParam = runtime.Param{
	Name: "connect_timeout_sec", Type: runtime.Number, Min: runtime.Bound(0.001), Max: runtime.Bound(math.MaxInt32),
	Default: fanout.DefaultConnectTimeout.Seconds(), Doc: "seconds until there is a connection, within `timeout_sec`",
}

// deadline is when the whole call has to be over; false where it has no such bound.
func deadline(c *runtime.Call) (time.Time, bool) {
	if !c.Declares("deadline") || !c.Has("deadline") {
		return time.Time{}, false
	}
	return c.Began.Add(seconds(c.Float("deadline"))), true
}

// bounded is the call's context, which ends with its deadline too.
func bounded(c *runtime.Call) (context.Context, context.CancelFunc) {
	if end, has := deadline(c); has {
		return context.WithDeadline(c.Context(), end)
	}
	return c.Context(), func() {}
}

// connectTimeout is 0 where the call has no such parameter.
func connectTimeout(c *runtime.Call) time.Duration {
	if !c.Declares(connectTimeoutParam.Name) {
		return 0
	}
	return seconds(c.Float(connectTimeoutParam.Name))
}

// execution are the parameters of every action.
func execution(timeoutSec float64) []runtime.Param {
	return []runtime.Param{
		managersParam, portParam,
		{Name: "parallel", Type: runtime.Any, Default: false, Check: checkParallel,
			Doc: "ask all managers at once instead of one after the other; a number is how many at once"},
		{Name: "fail_fast", Type: runtime.Boolean, Default: false,
			Doc: "stop at the first failure: what was not begun is SKIPPED, what was under way is cut off and CANCELLED"},
		dryRunParam,
		timeoutParam(timeoutSec), connectTimeoutParam,
		{Name: "deadline", Type: runtime.Number, Min: runtime.Bound(0.001), Max: runtime.Bound(math.MaxInt32),
			Doc: "seconds for the whole action; what is not done by then is cut off or skipped"},
	}
}

// checkParallel takes true, false and how many at once.
func checkParallel(v any) error {
	switch v := v.(type) {
	case bool:
		return nil
	case int:
		if v >= 1 {
			return nil
		}
	}
	return errors.New("want true, false, or how many at once: a whole number from 1")
}

// parallelism is the parameter as the fan-out takes it: 1 for one after the other, 0 for all.
func parallelism(c *runtime.Call) int {
	switch v := c.Value("parallel").(type) {
	case int:
		return v
	case bool:
		if v {
			return 0
		}
	}
	return 1
}

// asking are the parameters of every query.
func asking() []runtime.Param {
	return []runtime.Param{managersParam, portParam, timeoutParam(30), connectTimeoutParam}
}

// params joins a builtin's own parameters with shared ones.
func params(own []runtime.Param, shared ...[]runtime.Param) []runtime.Param {
	out := append([]runtime.Param(nil), own...)
	for _, s := range shared {
		out = append(out, s...)
	}
	return out
}

// defaultTimeout is how long a manager may take to answer where nobody said otherwise.
const defaultTimeout = 30 * time.Second

// queryTimeout bounds each answer to a question. An action that waits long for its own answers still
// asks quickly, and no longer than it may take as a whole.
func queryTimeout(c *runtime.Call) time.Duration {
	timeout := min(defaultTimeout, seconds(c.Float("timeout_sec")))
	if end, has := deadline(c); has {
		timeout = max(time.Millisecond, min(timeout, time.Until(end)))
	}
	return timeout
}
