package stores

import (
	"fmt"
	"time"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/internal/text"
	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

var WaitReady = runtime.Builtin{
	Name: "wait_ready", Group: "Queries", Positional: 2,
	Doc: "Returns when every instance of a store, or the one named, takes reads and writes. It also waits for a store that is still being created. After `timeout_sec` it raises an error that lists the instances that aren't ready. " +
		"If an instance is stopped and was not told to start, it raises an error at once.",
	Params: []runtime.Param{
		params.Name, params.InstanceName(false, "only this instance"),
		params.Managers, params.Port,
		{Name: "timeout_sec", Type: runtime.Number, Min: runtime.Bound(0.001), Max: runtime.Bound(86400), Default: 60.0, Doc: "seconds to wait"},
	},
	Returns: "the seconds that it waited",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
start_store("OrdersStore"):check()
wait_ready("OrdersStore")`,
	Impl: waitReady,
}

func waitReady(c *runtime.Call) (any, error) {
	r := run.Of(c)
	name, instance := c.String("name"), ""
	if c.Has("instance_name") {
		instance = c.String("instance_name")
	}
	began := time.Now()
	var last, known *cluster.View
	missing := "no manager answered"
	err := r.Poll(c, params.Seconds(c.Float("timeout_sec")), func() (string, bool, error) {
		v, err := r.View(c, name)
		if err != nil {
			return "", false, err
		}
		last = v
		if v.Latest == nil {
			switch op := r.PendingCreate(c, v); {
			case op != nil:
				missing = run.DescribeCreate(name, op)
			case v.Silent > 0:
				missing = v.NoAnswer()
			default:
				return "", false, r.NotFound(c, v)
			}
			return missing, false, nil
		}
		known = v
		if instance != "" {
			if _, there := v.Find(instance); !there {
				return "", false, v.UnknownInstance(c.Name, instance)
			}
		}
		if stopped := stoppedInstance(v, instance); stopped != "" {
			err := c.Errorf("stopped", "wait_ready: %s of %s is stopped, so it won't get ready", stopped, name)
			err.Hint = "start_store(\"" + name + "\") starts what is stopped"
			return "", false, err
		}
		waiting := v.NotReady(instance)
		if len(waiting) == 0 {
			return "", true, nil
		}
		return "not ready: " + text.Few(waiting), false, nil
	})
	if err == run.ErrTimeUp {
		late := fmt.Sprintf("wait_ready: %s is not ready after %s", name, params.Seconds(c.Float("timeout_sec")))
		silent := last.Unanswered()
		switch {
		case len(silent) == len(last.Reports):
			return nil, run.Raise(c, cluster.NoAnswer(late, silent))
		case known != nil:
			missing = text.Few(known.NotReady(instance))
		}
		return nil, c.Errorf("timeout", "%s: %s", late, missing)
	}
	if err != nil {
		return nil, err
	}
	if _, err := r.Answered(c, last.Unanswered(), len(last.Reports), false); err != nil {
		return nil, err
	}
	return time.Since(began).Seconds(), nil
}

// stoppedInstance returns the name of an instance whose desired state is stopped, or "".
func stoppedInstance(v *cluster.View, instance string) string {
	for _, in := range v.Instances {
		if in.Own && in.Desired == wire.DesiredStopped && (instance == "" || in.Name == instance) {
			return in.Name
		}
	}
	return ""
}
