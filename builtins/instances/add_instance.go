// Package instances declares the builtins that add, remove, start, stop and read instances of a store.
package instances

import (
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

var AddInstance = runtime.Builtin{
	Name: "add_instance", Group: "Actions", Positional: 3,
	Doc: "Adds instances to a store: one instance, the given nodes, or a number of instances on each of several hosts. " +
		"A server without the store gets the whole topology. In a running store the call returns when the new instances take reads and writes, and gateways that become data instances do so again: a store that was `Running` is `Running` again.",
	Params: params.Join([]runtime.Param{
		params.Name,
		params.InstanceName(false, "the new instance's name; by default the store's prefix with the next index"),
		{Name: "host", Type: runtime.String, Check: params.Check(wire.CheckHost), Doc: "the server of the one new instance"},
		{Name: "clustron_port", Type: runtime.Integer, Min: runtime.Bound(1), Max: runtime.Bound(65535), Doc: "its cluster port; by default the next free one of the store on that host"},
		{Name: "client_port", Type: runtime.Integer, Min: runtime.Bound(1), Max: runtime.Bound(65535), Doc: "its client port; by default the next free one of the store on that host"},
		{Name: "nodes", Type: runtime.Table, Doc: "several new nodes, each `{name, host, clustron_port, client_port}`"},
		{Name: "hosts", Type: runtime.Strings, Doc: "servers that get `instance_count` new instances each; their names and ports continue those of the store"},
		{Name: "instance_count", Type: runtime.Integer, Min: runtime.Bound(1), Max: runtime.Bound(wire.MaxInstances), Doc: "with `hosts`: the number of new instances on each server; 1 by default"},
		params.Atomic,
	}, params.Execution(600)),
	Returns:    "results: one AddInstance row per manager, then, in a running store, one JoinInstance row per new instance and per gateway that becomes a data instance",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
add_instance{"OrdersStore", hosts = managers()[1]}:check()`,
	Impl: addInstance,
}

func addInstance(c *runtime.Call) (any, error) {
	r := run.Of(c)
	s, v, err := currentTopology(r, c)
	if err != nil {
		return nil, err
	}
	added, err := newNodes(c, s, v)
	if err != nil {
		return nil, err
	}
	a, err := r.Begin(c, "rows")
	if err != nil {
		return nil, err
	}
	joining := joiners(v, s, added)
	a.Announce("JoinInstance", joining)
	join := func(a *run.Action) error { return awaitJoined(a, v.Name, joining) }
	if !c.Bool("atomic") && !r.Planning(c) && len(lackingNodes(v, added)) > 0 {
		if err := addEach(a, s, v, added); err != nil {
			return nil, err
		}
		if err := a.Follow(join); err != nil {
			return nil, err
		}
		return a.End()
	}
	a.OnRetry(addInstance)
	err = a.RunOperation(s, func() (run.Operation, error) {
		if _, v, err = currentTopology(r, c); err != nil {
			return run.Operation{}, err
		}
		if added, err = newNodes(c, s, v); err != nil {
			return run.Operation{}, err
		}
		joining = joiners(v, s, added)
		return addition(r, c, s, v, added)
	}, join)
	if err != nil {
		return nil, err
	}
	return a.End()
}

// addition returns the operation that adds nodes to a store.
func addition(
	r *run.Run, c *runtime.Call, s *cluster.Session, v *cluster.View, added []wire.Node,
) (run.Operation, error) {
	if added = lackingNodes(v, added); len(added) == 0 {
		p, err := r.Propose(s, v, wire.AddInstanceAction)
		p.Unchanged = "Already added"
		return p, err
	}
	wanted := additionRequest(v, s, added)
	if err := topology.Check(c, wanted.Nodes); err != nil {
		return run.Operation{}, err
	}
	p, err := r.Propose(s, v, wire.AddInstanceAction)
	p.Change.Nodes, p.Change.Founders = wanted.Nodes, wanted.Founders
	p.Change.Founding, p.Change.Desired = wanted.Founding, wanted.Desired
	p.Claimed, p.Done = topology.Names(added), "Added "+text.Few(topology.Names(added))
	return p, err
}

// joiners returns the nodes that join the store when nodes are added: the added ones, and gateways that become data
// instances, which restart for that. If all nodes were added by an earlier call, it returns those that are still
// joining.
func joiners(v *cluster.View, s *cluster.Session, added []wire.Node) []wire.Node {
	joining, lacking := slices.Clone(added), lackingNodes(v, added)
	if !v.EverStarted() {
		return joining
	}
	for _, n := range additionRequest(v, s, lacking).Nodes {
		old, known := v.Find(n.Name)
		promoted := known && (old.Role != n.Role || len(lacking) == 0 && old.Status == wire.Joining)
		if promoted && !slices.ContainsFunc(added, func(a wire.Node) bool { return a.Name == n.Name }) {
			joining = append(joining, n)
		}
	}
	return joining
}

// addEach sends the new topology to each manager on its own (atomic = false).
func addEach(a *run.Action, s *cluster.Session, v *cluster.View, added []wire.Node) error {
	change := additionRequest(v, s, lackingNodes(v, added))
	if err := topology.Check(a.Call, change.Nodes); err != nil {
		return err
	}
	a.Do(run.NewRequests(s.Members(), wire.ActionRequest{Action: wire.AddInstanceAction, Store: v.Name, Change: change}))
	return nil
}

// currentTopology returns the complete session and its view of an existing store. It returns an error if the managers
// have different topologies.
func currentTopology(r *run.Run, c *runtime.Call) (*cluster.Session, *cluster.View, error) {
	if err := r.MayAct(c); err != nil {
		return nil, nil, err
	}
	s, err := r.CompleteSession(c)
	if err != nil {
		return nil, nil, err
	}
	v, err := r.View(c, c.String("name"))
	if err != nil {
		return nil, nil, err
	}
	if v.Latest == nil {
		return nil, nil, r.NotFound(c, v)
	}
	if err := v.Inconsistent(c.Name); err != nil {
		return nil, nil, err
	}
	return s, v, v.Missing(c.Name, s)
}

// additionRequest returns the request that adds nodes to a store.
func additionRequest(v *cluster.View, s *cluster.Session, added []wire.Node) *wire.ChangeInstances {
	founding := !v.EverStarted()
	nodes := append(v.Nodes(), added...)
	if founding {
		for i := range nodes {
			nodes[i].Role = ""
		}
	}
	change := &wire.ChangeInstances{
		BaseRevision: v.Latest.Revision, Nodes: wire.AssignRoles(nodes), Founding: founding, Desired: v.Desired(),
		Operation: v.Latest.Creation, Epoch: v.Latest.Epoch, Coordinator: v.Latest.Coordinator,
		Managers: v.Latest.Managers, Founders: v.Latest.Founders, ClusterTLS: v.Latest.ClusterTLS,
	}
	if founding {
		change.Founders = wire.Founders(change.Nodes)
	}
	known := map[string]bool{}
	for _, m := range change.Managers {
		known[m.Identity] = true
	}
	all, _ := cluster.Participants(s.Members())
	for _, m := range all {
		if !known[m.Identity] {
			change.Managers = append(change.Managers, m)
		}
	}
	return change
}

// awaitJoined waits until instances take reads and writes in their new roles. It adds a row for each, in their order.
// Instances of a stopped store have no row: they join when it is started, which a notice says.
func awaitJoined(a *run.Action, store string, joining []wire.Node) error {
	began := time.Now()
	var last *cluster.View
	var later []string
	err := a.Run.Poll(a.Call, a.Timeout, func() (string, bool, error) {
		v, err := a.Run.View(a.Call, store)
		if err != nil || v.Latest == nil {
			return "no manager answers", false, err
		}
		last = v
		for len(joining) > 0 {
			in, _ := v.Find(joining[0].Name)
			switch {
			case in.Desired == wire.DesiredStopped:
				later = append(later, in.Name)
			case in.Ready:
				addJoined(a, joining[0], began, fmt.Sprintf("Joined as %s", in.Role))
			default:
				return text.Few(topology.Names(joining)) + " to join", false, nil
			}
			joining = joining[1:]
		}
		return "", true, nil
	})
	if len(later) > 0 {
		a.Run.Reporter.Notice(fmt.Sprintf("%s: %s joins when the store is started", store, text.Few(later)))
	}
	if err != run.ErrTimeUp {
		return err
	}
	for _, n := range joining {
		why := "no manager answers"
		if last != nil {
			if in, _ := last.Find(n.Name); in.Ready { // ready, but its row was held back by one above it
				addJoined(a, n, began, fmt.Sprintf("Joined as %s", in.Role))
				continue
			}
			why = text.Few(last.NotReady(n.Name))
		}
		a.AddWait("JoinInstance", n, began, report.Row{
			Result: report.Failed, Code: "timeout", Message: fmt.Sprintf("not joined after %s: %s; it is still joining", a.Timeout, why),
		})
	}
	return nil
}

func addJoined(a *run.Action, n wire.Node, began time.Time, message string) {
	a.AddWait("JoinInstance", n, began, report.Row{
		Result: report.Success, Success: true, Changed: true, StatusCode: http.StatusOK, Code: wire.CodeOK, Message: message,
	})
}
