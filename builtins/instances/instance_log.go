package instances

import (
	"fmt"
	"net/http"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/internal/text"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

var InstanceLog = runtime.Builtin{
	Name: "instance_log", Group: "Queries", Positional: 2,
	Doc: "Reads the last lines of an instance's log, through its manager.",
	Params: params.Join([]runtime.Param{
		params.Name, params.InstanceName(true, "the instance"),
		{Name: "tail", Type: runtime.Integer, Min: runtime.Bound(1), Max: runtime.Bound(10000), Default: 50, Doc: "how many lines"},
	}, params.Query()),
	Returns: "a string; empty when the instance never ran",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
print(instance_log("OrdersStore", "orders-1"))`,
	Impl: instanceLog,
}

func instanceLog(c *runtime.Call) (any, error) {
	r := run.Of(c)
	name := c.String("instance_name")
	v, err := r.View(c, c.String("name"))
	if err != nil {
		return nil, err
	}
	if v.Latest == nil {
		return nil, r.NotFound(c, v)
	}
	in, known := v.Find(name)
	if !known {
		return nil, v.UnknownInstance(c.Name, name)
	}
	if in.Owner == nil {
		return nil, c.Errorf(wire.CodeNotThisHost, "instance_log: %s: %s", name, v.WhyUnknown(in))
	}
	all, err := r.QueryMembers(c, []cluster.Member{*in.Owner}, fmt.Sprintf("%s/log?tail=%d", wire.InstancePath(v.Name, name), c.Int("tail")))
	if err != nil {
		return nil, err
	}
	if !all[0].Row.Success {
		return nil, c.Errorf(all[0].Row.Code, "instance_log: %s: %s", all[0].Endpoint, all[0].Row.Message)
	}
	if all[0].Answer.Status != http.StatusOK {
		return nil, c.Errorf(fanout.Protocol, "instance_log: %s answered %d", all[0].Endpoint, all[0].Answer.Status)
	}
	return text.PrintableLines(string(all[0].Answer.Body)), nil
}
