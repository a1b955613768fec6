package builtins

import (
	"math"

	"dkvrun/runtime"
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
	Name: "managers", Type: runtime.Strings,
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

// execution are the parameters of every action.
func execution(timeoutSec float64) []runtime.Param {
	return []runtime.Param{
		managersParam, portParam,
		{Name: "parallel", Type: runtime.Boolean, Default: false, Doc: "ask all managers at once instead of one after the other"},
		{Name: "fail_fast", Type: runtime.Boolean, Default: false, Doc: "stop at the first failure; what was not tried is SKIPPED"},
		timeoutParam(timeoutSec),
	}
}

// asking are the parameters of every query.
func asking() []runtime.Param {
	return []runtime.Param{managersParam, portParam, timeoutParam(30)}
}

// params joins a builtin's own parameters with shared ones.
func params(own []runtime.Param, shared ...[]runtime.Param) []runtime.Param {
	out := append([]runtime.Param(nil), own...)
	for _, s := range shared {
		out = append(out, s...)
	}
	return out
}
