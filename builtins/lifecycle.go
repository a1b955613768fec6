package builtins

import (
	"fmt"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// change is one of the things that can be done to a running or stopped instance.
type change struct {
	action string // StartInstance
	verb   string // the last part of the path
	store  string // StartStore: the row of a manager that can't say which instances it has
}

var (
	starting = change{"StartInstance", "start", "StartStore"}
	stopping = change{"StopInstance", "stop", "StopStore"}
)

var forceStop = runtime.Param{Name: "force", Type: runtime.Boolean, Default: false, Doc: "kill at once instead of stopping gracefully"}

var startStore = runtime.Builtin{
	Name: "start_store", Group: "Actions", Positional: 1,
	Doc: "Starts every instance of a store, each through its own manager. It answers when the processes are up; `wait_ready` waits until the store takes writes.",
	Params: params.Join([]runtime.Param{
		params.Name, params.InstanceName(false, "only this instance"),
	}, params.Execution(30)),
	Returns:    "results: a StartInstance row an instance",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
start_store{"OrdersStore", parallel = true}:check()`,
	Impl: func(c *runtime.Call) (any, error) { return of(c).change(c, false, starting) },
}

var stopStore = runtime.Builtin{
	Name: "stop_store", Group: "Actions", Positional: 1,
	Doc: "Stops every instance of a store; the data stays. A stop that takes longer than 10 s ends in a kill.",
	Params: params.Join([]runtime.Param{
		params.Name, params.InstanceName(false, "only this instance"), forceStop,
	}, params.Execution(30)),
	Returns:    "results: a StopInstance row an instance",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
stop_store("OrdersStore"):check()`,
	Impl: func(c *runtime.Call) (any, error) { return of(c).change(c, c.Bool("force"), stopping) },
}

var startInstance = runtime.Builtin{
	Name: "start_instance", Group: "Actions", Positional: 2,
	Doc:        "Starts one instance.",
	Params:     params.Join([]runtime.Param{params.Name, params.InstanceName(true, "the instance")}, params.Execution(30)),
	Returns:    "results with one StartInstance row",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
start_instance("OrdersStore", "orders-1"):check()`,
	Impl: func(c *runtime.Call) (any, error) { return of(c).change(c, false, starting) },
}

var stopInstance = runtime.Builtin{
	Name: "stop_instance", Group: "Actions", Positional: 2,
	Doc:        "Stops one instance; a leader hands over first.",
	Params:     params.Join([]runtime.Param{params.Name, params.InstanceName(true, "the instance"), forceStop}, params.Execution(30)),
	Returns:    "results with one StopInstance row",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
stop_instance("OrdersStore", "orders-1"):check()`,
	Impl: func(c *runtime.Call) (any, error) { return of(c).change(c, c.Bool("force"), stopping) },
}

var restartInstance = runtime.Builtin{
	Name: "restart_instance", Group: "Actions", Positional: 2,
	Doc:        "Stops one instance and starts it again. When the stop fails it is not started.",
	Params:     params.Join([]runtime.Param{params.Name, params.InstanceName(true, "the instance"), forceStop}, params.Execution(30)),
	Returns:    "results: a StopInstance row and a StartInstance row",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
restart_instance("OrdersStore", "orders-1"):check()`,
	Impl: func(c *runtime.Call) (any, error) { return of(c).change(c, c.Bool("force"), stopping, starting) },
}

// change does one thing, or one after the other, to the instances that a call means.
func (r *Run) change(c *runtime.Call, force bool, changes ...change) (any, error) {
	if err := r.mayAct(c); err != nil {
		return nil, err
	}
	v, err := r.View(c, c.String("name"))
	if err != nil {
		return nil, err
	}
	instance := ""
	if c.Has("instance_name") {
		instance = c.String("instance_name")
	}
	if instance != "" && v.Latest != nil {
		if _, known := v.Find(instance); !known {
			return nil, v.UnknownInstance(c.Name, instance)
		}
	}
	a, err := r.begin(c, "instances")
	if err != nil {
		return nil, err
	}
	for _, ch := range changes {
		a.do(lifecycleSteps(v, ch, instance, force))
		if !a.results.OK() {
			break
		}
		if r.dry(c) {
			r.foreseeChange(v, instance, ch)
		}
	}
	return a.end()
}

// lifecycleSteps are the requests that change a store's instances, in topology order, and a failed row for
// whatever can't be reached.
func lifecycleSteps(v *cluster.View, ch change, instance string, force bool) []*step {
	var out []*step
	if v.Latest == nil {
		for _, s := range v.Sightings {
			row := s.Row
			if row.Success {
				row = report.Row{Result: report.Failed, StatusCode: 404, Code: wire.CodeStoreNotFound, Message: "There is no store " + v.Name + " here"}
			}
			out = append(out, known(s.Endpoint, ch.store, "", row))
		}
		return out
	}
	for _, in := range v.Instances {
		if instance != "" && in.Name != instance {
			continue
		}
		if in.Owner == nil {
			out = append(out, unownedStep(v, in, ch))
			continue
		}
		path := wire.InstancePath(v.Name, in.Name) + "/" + ch.verb
		if ch == stopping && force {
			path += "?force=true"
		}
		out = append(out, post(in.Owner.Endpoint, ch.action, in.Name, path, nil))
	}
	return out
}

// unownedStep is the row of an instance whose manager did not answer, or is not in the session.
func unownedStep(v *cluster.View, in cluster.Instance, ch change) *step {
	for _, s := range v.Sightings {
		if s.Endpoint.String() == in.Manager || s.Endpoint.Host == in.Host && in.Manager == "" {
			if !s.Row.Success {
				return known(s.Endpoint, ch.action, in.Name, s.Row)
			}
		}
	}
	at := in.Manager
	if at == "" {
		at = in.Host
	}
	endpoints, err := fanout.ParseEndpoints([]string{at}, wire.DefaultManagerPort)
	if err != nil {
		endpoints = []fanout.Endpoint{{Host: in.Host}}
	}
	return known(endpoints[0], ch.action, in.Name, report.Row{
		Result: report.Failed, Code: wire.CodeNotThisHost,
		Message: fmt.Sprintf("no connected manager answers for %s on %s: connect to its manager too", in.Name, in.Host),
	})
}
