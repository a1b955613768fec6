package instances

import (
	"fmt"
	"net/http"
	"time"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/internal/text"
	"dkvrun/builtins/internal/topology"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

var RemoveInstance = runtime.Builtin{
	Name: "remove_instance", Group: "Actions", Positional: 2,
	Doc: "Removes one instance from a store and deletes its data. The call is refused if the store would lose its quorum, or can't remove the instance because the store isn't running. " +
		"A data instance is first replaced by a ready gateway, if there is one. The call returns when the instance is gone.",
	Params: params.Join([]runtime.Param{
		params.Name, params.InstanceName(true, "the instance"),
		{Name: "lose_data", Type: runtime.Boolean, Default: false, Doc: "remove it at once, even if the store stops or loses data"},
		params.Atomic,
	}, params.Execution(600)),
	Returns:    "results: one RemoveInstance row per manager, then a LeaveInstance row if its manager is there",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders", instance_count = 2}:check()
remove_instance("OrdersStore", "orders-2"):check()`,
	Impl: removeInstance,
}

func removeInstance(c *runtime.Call) (any, error) {
	r := run.Of(c)
	s, v, err := currentTopology(r, c)
	if err != nil {
		return nil, err
	}
	name := c.String("instance_name")
	in, known := v.Find(name)
	if !known {
		in = goneInstance(v, name)
	} else if err := mayLeave(v, c, in); err != nil {
		return nil, err
	}
	a, err := r.Begin(c, "rows")
	if err != nil {
		return nil, err
	}
	leave := func(a *run.Action) error { return awaitLeft(a, v.Name, in) }
	if known {
		a.Announce("LeaveInstance", []wire.Node{in.Node})
	} else if in.Manager == "" {
		leave = nil
	}
	if known && !c.Bool("atomic") && !r.Planning(c) {
		removeEachInstance(a, s, v, name)
		if err := a.Follow(leave); err != nil {
			return nil, err
		}
		return a.End()
	}
	a.OnRetry(removeInstance)
	err = a.RunOperation(s, func() (run.Operation, error) {
		if _, v, err = currentTopology(r, c); err != nil {
			return run.Operation{}, err
		}
		return removal(r, c, s, v, name)
	}, leave)
	if err != nil {
		return nil, err
	}
	return a.End()
}

// goneInstance returns an instance that is not in the topology: one that is still leaving, or only the name.
func goneInstance(v *cluster.View, name string) cluster.Instance {
	for _, in := range v.Leaving {
		if in.Name == name {
			in.Manager = in.Owner.Endpoint.String()
			return in
		}
	}
	return cluster.Instance{Instance: wire.Instance{Node: wire.Node{Name: name}}}
}

// removal returns the operation that removes an instance from a store.
func removal(r *run.Run, c *runtime.Call, s *cluster.Session, v *cluster.View, name string) (run.Operation, error) {
	p, err := r.Propose(s, v, wire.RemoveInstanceAction)
	in, known := v.Find(name)
	if !known {
		p.Unchanged, p.Absent = name+" is not in the store", true
		p.Hint = text.DidYouMean(name, topology.Names(v.Nodes()))
		return p, err
	}
	if err := mayLeave(v, c, in); err != nil {
		return p, err
	}
	p.Change.Founding, p.Change.LoseData, p.Change.Founders = !v.EverStarted(), c.Bool("lose_data"), v.Latest.Founders
	for _, n := range v.Nodes() {
		if n.Name == name {
			continue
		}
		if p.Change.Founding {
			n.Role = ""
		}
		p.Change.Nodes = append(p.Change.Nodes, n)
	}
	p.Done = "Removed"
	if p.Change.Founding {
		p.Change.Nodes = wire.AssignRoles(p.Change.Nodes)
		p.Change.Founders = wire.Founders(p.Change.Nodes)
		return p, err
	}
	rest := p.Change.Nodes
	p.Change.Nodes = wire.AssignRolesAmong(rest, func(n wire.Node) bool { return canTakeOver(v, n) })
	if in.Role == wire.Data && !p.Change.LoseData {
		return p, checkReplaced(v, c, in, p.Change.Nodes, wire.AssignRoles(rest))
	}
	return p, err
}

// canTakeOver reports whether an instance can be a data instance now. If it is not ready, the removed instance would
// wait for it.
func canTakeOver(v *cluster.View, n wire.Node) bool {
	in, known := v.Find(n.Name)
	return known && in.Ready
}

// checkReplaced returns an error if no ready gateway can replace a removed data instance. The parameter nodes has the
// other nodes of the topology; wanted has the same nodes with the roles that give the store enough data instances.
func checkReplaced(v *cluster.View, c *runtime.Call, in cluster.Instance, nodes, wanted []wire.Node) error {
	if len(wire.Founders(nodes)) == len(wire.Founders(wanted)) {
		return nil
	}
	for i, n := range nodes {
		if n.Role != wanted[i].Role {
			err := c.Errorf(wire.CodeStoreNotReady, "remove_instance: %s would take the place of %s, but it is not ready", n.Name, in.Name)
			err.Hint = fmt.Sprintf("bring %s up or remove it first, or pass lose_data = true", n.Name)
			return err
		}
	}
	return nil
}

// removeEachInstance asks each manager on its own to remove the instance (atomic = false).
func removeEachInstance(a *run.Action, s *cluster.Session, v *cluster.View, name string) {
	a.Do(run.NewRequests(s.Members(), wire.ActionRequest{
		Action: wire.RemoveInstanceAction, Store: v.Name, Instance: name,
		BaseRevision: v.Latest.Revision, LoseData: a.Call.Bool("lose_data"), Founding: !v.EverStarted(),
	}))
}

// mayLeave returns an error if the store would lose its quorum by the removal, or can't carry it out.
func mayLeave(v *cluster.View, c *runtime.Call, in cluster.Instance) error {
	if len(v.Instances) == 1 {
		return c.Errorf(wire.CodeLastInstance, "remove_instance: %s is the last instance of %s: remove_store removes both", in.Name, v.Name)
	}
	if c.Bool("lose_data") || in.Role != wire.Data || !v.EverStarted() {
		return nil
	}
	data, ready := 0, 0
	for _, other := range v.Instances {
		if other.Role != wire.Data || other.Name == in.Name {
			continue
		}
		data++
		if other.Ready {
			ready++
		}
	}
	running := ready
	if in.Ready {
		running++
	}
	if running < (data+1)/2+1 {
		err := c.Errorf(wire.CodeStoreNotReady, "remove_instance: %s does not run with a quorum, so it can't take %s out: %s", v.Name, in.Name, text.Few(v.NotReady("")))
		err.Hint = "start_store it first, or pass lose_data = true"
		return err
	}
	if ready < data/2+1 {
		err := c.Errorf(wire.CodeQuorumLoss, "remove_instance: without %s only %d of %d data instances of %s would be ready: it would stop writing", in.Name, ready, data, v.Name)
		err.Hint = "bring the others up first, or pass lose_data = true"
		return err
	}
	return nil
}

// awaitLeft waits until an instance is gone from its server, and adds a row for it. If no manager owns the instance,
// there is nothing to wait for: the other managers remove the member from the running store.
func awaitLeft(a *run.Action, store string, in cluster.Instance) error {
	n := in.Node
	began := time.Now()
	why := ""
	err := a.Run.Poll(a.Call, a.Timeout, func() (string, bool, error) {
		v, err := a.Run.View(a.Call, store)
		if err != nil {
			return "", false, err
		}
		for _, in := range v.Leaving {
			if in.Name == n.Name {
				why = string(in.Status)
				if in.LastError != "" {
					why = in.LastError
				}
				return n.Name + " to leave: " + why, false, nil
			}
		}
		if silent := v.Unanswered(); len(silent) > 0 {
			why = silent[0].Manager + " " + cluster.NotAnswered(silent)
		}
		return why, v.Silent == 0, nil
	})
	if err != nil && err != run.ErrTimeUp {
		return err
	}
	if err == nil && in.Owner == nil { // it may still be a member of the running store
		a.Run.Reporter.Notice(fmt.Sprintf("%s: the manager of %s is not there; the others take it out of the running store by themselves",
			store, n.Name))
		return nil
	}
	row := report.Row{
		Result: report.Success, Success: true, Changed: true, StatusCode: http.StatusOK, Code: wire.CodeOK,
		Message: "Left; its data is deleted",
	}
	if err == run.ErrTimeUp {
		row = report.Row{Result: report.Failed, Code: "timeout", Message: fmt.Sprintf("not gone after %s: %s; it is still leaving", a.Timeout, why)}
	}
	a.AddWait("LeaveInstance", n, began, row)
	return nil
}
