package instances

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
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
		"A data instance is first replaced by a ready gateway, if there is one. " +
		"The call returns when the instance is no member of the running store any more and its data is deleted. If that takes longer than `timeout_sec`, its row has the code `still_member` and says what is waited for; the instance is no longer in the topology, and the same call waits again. " +
		"If its manager is not there, the others take it out of the running store, and its data stays on its server.",
	Params: params.Join([]runtime.Param{
		params.Name, params.InstanceName(true, "the instance"),
		{Name: "lose_data", Type: runtime.Boolean, Default: false, Doc: "remove it at once, even if the store stops or loses data"},
		params.Atomic,
	}, params.Execution(600)),
	Returns:    "results: one RemoveInstance row per manager, then a LeaveInstance row if the instance was there",
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
	if known {
		if err := mayLeave(v, c, in); err != nil {
			return nil, err
		}
	}
	gone := leaverOf(v, c, name)
	a, err := r.Begin(c, "rows")
	if err != nil {
		return nil, err
	}
	leave := func(a *run.Action) error { return awaitLeft(a, v.Name, gone) }
	if gone.listed {
		a.Announce("LeaveInstance", []wire.Node{gone.Node})
	} else if !gone.member {
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

// codeStillMember is the code of the row of an instance that is not out of the running store in time.
const codeStillMember = "still_member"

// leaver is an instance whose end in the running store remove_instance waits for.
type leaver struct {
	cluster.Instance
	// listed is set once managers have listed the instance: there is a row for it.
	listed bool
	// member is set if it can be a member of the running store, so that other instances have to see it out of there.
	member bool
}

// leaverOf returns the instance whose end remove_instance waits for: the named one, removed now or before.
func leaverOf(v *cluster.View, c *runtime.Call, name string) leaver {
	member := v.EverStarted() && !c.Bool("lose_data")
	if in, known := v.Find(name); known {
		return leaver{in, true, member && in.Role == wire.Data}
	}
	if in, known := v.FindLeaving(wire.Node{Name: name}); known {
		in.Manager = in.Host // no manager has it
		if in.Owner != nil {
			in.Manager = in.Owner.Endpoint.String()
		}
		return leaver{in, true, member && in.Role == wire.Data}
	}
	// It was never there, or its managers have not noticed yet that it is still a member.
	serves := func(in cluster.Instance) bool { return in.Role == wire.Data && in.Ready }
	named := cluster.Instance{Instance: wire.Instance{Node: wire.Node{Name: name}}}
	return leaver{named, false, member && slices.ContainsFunc(v.Instances, serves)}
}

// wait returns what an instance waits for until it is gone; done if it is. Its own manager has to report that it is, if
// that is there, and a manager of another instance that it is no member of the running store.
func (l *leaver) wait(v *cluster.View) (why string, done bool) {
	if in, leaving := v.FindLeaving(l.Node); leaving {
		l.listed = true
		if l.ClustronPort == 0 { // only its name was known
			l.Node, l.Owner = in.Node, in.Owner
			l.Manager = cmp.Or(l.Manager, l.Host)
		}
		return cmp.Or(in.LastError, string(in.Status)), false
	}
	if silent := v.Unanswered(); len(silent) > 0 && (l.Owner != nil || !v.MembersReported) {
		return silent[0].Manager + " " + cluster.NotAnswered(silent), false
	}
	if l.member && v.MembersReported && !v.MembersChecked {
		return "no data instance has read the members of the running store yet", false
	}
	return "", true
}

// awaitLeft waits until an instance is out of its running store and gone from its server, and adds a row for it. If no
// manager owns the instance, the other managers remove it from the running store.
func awaitLeft(a *run.Action, store string, l leaver) error {
	began := time.Now()
	why, reported := "", false
	err := a.Run.Poll(a.Call, a.Timeout, func() (string, bool, error) {
		v, err := a.Run.View(a.Call, store)
		if err != nil {
			return "", false, err
		}
		reported = v.MembersReported
		var done bool
		why, done = l.wait(v)
		return cmp.Or(l.Name, "the instance") + " to leave: " + why, done, nil
	})
	if err != nil && err != run.ErrTimeUp {
		return err
	}
	row := report.Row{
		Result: report.Success, Success: true, Changed: true, StatusCode: http.StatusOK, Code: wire.CodeOK,
		Message: "Left; its data is deleted",
	}
	switch {
	case err == run.ErrTimeUp && l.Role == wire.Gateway:
		row = report.Row{Result: report.Failed, Code: "timeout", Message: fmt.Sprintf("not gone after %s: %s; it is still leaving", a.Timeout, why)}
	case err == run.ErrTimeUp:
		row = report.Row{Result: report.Failed, Code: codeStillMember,
			Message: fmt.Sprintf("still a member after %s: %s", a.Timeout, why),
			Hint:    "it is no longer in the topology: the same call waits until it is out"}
	case !l.listed:
		return nil
	case l.Owner == nil && l.member && !reported: // older managers don't report the members
		a.Run.Reporter.Notice(fmt.Sprintf("%s: the manager of %s is not there; the others take it out of the running store by themselves",
			store, l.Name))
		return nil
	case l.Owner == nil:
		row.Message = "Left; its manager is not there, so its data is not deleted"
	}
	a.AddWait("LeaveInstance", l.Node, began, row)
	return nil
}
