// Package params declares the parameters that many builtins share, and reads them.
package params

import (
	"context"
	"errors"
	"math"
	"time"

	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

func Check(f func(string) error) func(any) error {
	return func(v any) error { return f(v.(string)) }
}

var Name = runtime.Param{
	Name: "name", Alias: "store_name", Type: runtime.String, Required: true, Check: Check(wire.CheckName),
	Doc: "the store's name: a letter, then up to 62 letters, digits, `_` or `-`",
}

func CheckServers(v any) error { return fanout.CheckEndpoints(v.([]string)) }

func Optional(p runtime.Param) runtime.Param {
	p.Required = false
	return p
}

func InstanceName(required bool, doc string) runtime.Param {
	return runtime.Param{
		Name: "instance_name", Type: runtime.String, Required: required, Check: Check(wire.CheckName), Doc: doc,
	}
}

var Managers = runtime.Param{
	Name: "managers", Type: runtime.Strings, Check: CheckServers,
	Doc: "the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas",
}

var Port = runtime.Param{
	Name: "port", Type: runtime.Integer, Min: runtime.Bound(1), Max: runtime.Bound(65535),
	Doc: "the port of managers that are given without one; the default is 7801 or the value of `--manager-port`",
}

func Timeout(sec float64) runtime.Param {
	return runtime.Param{
		Name: "timeout_sec", Type: runtime.Number, Min: runtime.Bound(0.001), Max: runtime.Bound(math.MaxInt32), Default: sec,
		Doc: "seconds for the answer of each manager",
	}
}

var connectTimeoutParam = runtime.Param{
	Name: "connect_timeout_sec", Type: runtime.Number, Min: runtime.Bound(0.001), Max: runtime.Bound(math.MaxInt32),
	Default: fanout.DefaultConnectTimeout.Seconds(), Doc: "seconds for the connection to be made, as part of `timeout_sec`",
}

func Seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// deadline returns the time limit of the whole call, and false if it has none.
func deadline(c *runtime.Call) (time.Time, bool) {
	if !c.Declares("deadline") || !c.Has("deadline") {
		return time.Time{}, false
	}
	return c.Began.Add(Seconds(c.Float("deadline"))), true
}

// Bounded returns the call's context with its deadline, if it has one.
func Bounded(c *runtime.Call) (context.Context, context.CancelFunc) {
	if end, has := deadline(c); has {
		return context.WithDeadline(c.Context(), end)
	}
	return c.Context(), func() {}
}

// ConnectTimeout returns the parameter connect_timeout_sec, or 0 if the builtin has no such parameter.
func ConnectTimeout(c *runtime.Call) time.Duration {
	if !c.Declares(connectTimeoutParam.Name) {
		return 0
	}
	return Seconds(c.Float(connectTimeoutParam.Name))
}

var Atomic = runtime.Param{
	Name: "atomic", Type: runtime.Boolean, Default: true,
	Doc: "apply the change on all managers or on none; with `false` each manager applies it on its own, and a manager that fails keeps the old topology",
}

// DryRun is the parameter of every action that can be planned.
var DryRun = runtime.Param{
	Name: "dry_run", Type: runtime.Boolean, Default: false,
	Doc: "check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does this for all actions",
}

// Execution returns the parameters of every action.
func Execution(timeoutSec float64) []runtime.Param {
	return []runtime.Param{
		Managers, Port,
		{Name: "parallel", Type: runtime.Any, Default: false, Check: checkParallel,
			Doc: "contact all managers at once instead of one after the other; a number limits how many at once"},
		{Name: "fail_fast", Type: runtime.Boolean, Default: false,
			Doc: "stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED"},
		DryRun,
		Timeout(timeoutSec), connectTimeoutParam,
		{Name: "deadline", Type: runtime.Number, Min: runtime.Bound(0.001), Max: runtime.Bound(math.MaxInt32),
			Doc: "seconds for the whole action; requests that are not finished by then are cancelled or skipped"},
	}
}

// checkParallel accepts true, false, and a number of requests at once.
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

// Parallelism returns the parameter parallel in the form of fanout.Options: 1 for one request after the other, 0 for
// all at once.
func Parallelism(c *runtime.Call) int {
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

// Query returns the parameters of every query.
func Query() []runtime.Param {
	return []runtime.Param{Managers, Port, Timeout(30), connectTimeoutParam}
}

// Join returns a builtin's own parameters followed by shared ones.
func Join(own []runtime.Param, shared ...[]runtime.Param) []runtime.Param {
	out := append([]runtime.Param(nil), own...)
	for _, s := range shared {
		out = append(out, s...)
	}
	return out
}

// defaultTimeout is the time limit for the answer of a manager if neither the call nor the builtin sets one.
const defaultTimeout = 30 * time.Second

// QueryTimeout returns the time limit of each query of a call. For an action with a longer timeout it is
// defaultTimeout, and it never exceeds the time limit of the whole call.
func QueryTimeout(c *runtime.Call) time.Duration {
	timeout := min(defaultTimeout, Seconds(c.Float("timeout_sec")))
	if end, has := deadline(c); has {
		timeout = max(time.Millisecond, min(timeout, time.Until(end)))
	}
	return timeout
}

// Force is the parameter of builtins that stop instances.
var Force = runtime.Param{
	Name: "force", Type: runtime.Boolean, Default: false, Doc: "kill at once instead of stopping gracefully",
}
