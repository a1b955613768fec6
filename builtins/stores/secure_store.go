package stores

import (
	"errors"
	"fmt"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/internal/text"
	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

var SecureStore = runtime.Builtin{
	Name: "secure_store", Group: "Actions", Positional: 1,
	Doc: "Switches the cluster ports of a store, which was created by managers that were not secured, from plain connections to TLS, at all managers or at none. " +
		"An instance whose port is plain can't talk to one whose port speaks TLS, so all data instances are restarted at once: writes and reads stand still for some seconds, and none that was answered is lost. " +
		"The managers restart them by themselves, also if the run ends meanwhile; an instance whose manager is down follows when that is back. The call returns when all instances that are to run are ready again. " +
		"All managers of the store have to be secured, and its data instances must have been part of the running store, or none ever started: else the call changes nothing. The switch can't be undone. " +
		"A store of secured managers has TLS from the beginning.",
	Params:     params.Join([]runtime.Param{params.Name}, params.Execution(120)),
	Returns:    "results: one SecureStore row per manager",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
local results = secure_store("OrdersStore")
for _, row in ipairs(results) do print(row.manager, row.success, row.message) end`,
	Impl: secureStore,
}

func secureStore(c *runtime.Call) (any, error) {
	r := run.Of(c)
	if err := r.MayAct(c); err != nil {
		return nil, err
	}
	v, err := r.View(c, c.String("name"))
	if err != nil {
		return nil, err
	}
	if v.Latest == nil {
		return nil, r.NotFound(c, v)
	}
	s, err := participantSession(r, c, v)
	if err != nil {
		return nil, err
	}
	a, err := r.Begin(c, "managers")
	if err != nil {
		return nil, err
	}
	a.OnRetry(secureStore)
	if err := a.RunOperation(s, func() (run.Operation, error) { return securing(r, c, s) }, awaitSwitched); err != nil {
		return nil, err
	}
	return a.End()
}

// securing returns the operation that switches a store.
func securing(r *run.Run, c *runtime.Call, s *cluster.Session) (run.Operation, error) {
	v, err := r.View(c, c.String("name"))
	if err != nil {
		return run.Operation{}, err
	}
	if v.Latest == nil {
		return run.Operation{}, r.NotFound(c, v)
	}
	if pending, _ := v.Pending(); pending == nil { // else the managers refuse the operation as busy
		if err := v.Inconsistent(c.Name); err != nil {
			return run.Operation{}, err
		}
	}
	p, err := r.Propose(s, v, wire.SecureAction)
	if err != nil {
		return run.Operation{}, err
	}
	p.Done = "Secured"
	if v.Latest.ClusterTLS && keptEverywhere(v) {
		p.Unchanged = "Already secured"
		return p, nil
	}
	p.Change.ClusterTLS, p.Change.Founding = true, !v.EverStarted()
	p.Change.Nodes, p.Change.Founders = v.Nodes(), v.Latest.Founders
	return p, nil
}

// awaitSwitched waits until the data instances that are to run speak TLS on their cluster ports, and are ready.
func awaitSwitched(a *run.Action) error {
	c := a.Call
	var waiting []string
	err := a.Run.Poll(c, a.Timeout, func() (string, bool, error) {
		v, err := a.Run.View(c, c.String("name"))
		if err != nil || v.Latest == nil {
			return "no manager answers", false, err
		}
		waiting = nil
		for _, in := range v.Instances {
			switch {
			case in.Desired == wire.DesiredStopped || in.Role == wire.Data && in.ClusterTLS && in.Ready:
			case in.Role == wire.Data && in.Ready:
				waiting = append(waiting, in.Name+" (its cluster port is plain still)")
			default:
				waiting = append(waiting, v.NotReady(in.Name)...)
			}
		}
		return "waits for " + text.Few(waiting), len(waiting) == 0, nil
	})
	if errors.Is(err, run.ErrTimeUp) {
		failed := c.Errorf(wire.CodeStoreNotReady, "secure_store: %s is switched, and not all of its instances are ready again after %s: %s",
			c.String("name"), a.Timeout, text.Few(waiting))
		failed.Hint = fmt.Sprintf("wait_ready(%q) waits longer; instance_log shows why an instance does not start", c.String("name"))
		return failed
	}
	return err
}
