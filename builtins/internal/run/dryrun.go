package run

import (
	"fmt"
	"net/http"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/text"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/commit"
	"dkvrun/runtime/wire"
)

// Planning reports whether an action is only to be planned.
func (r *Run) Planning(c *runtime.Call) bool { return r.DryRun || c.Bool("dry_run") }

// PlannedData returns the planned data of a store in a dry run; nil if writes are carried out.
func (r *Run) PlannedData(store string) *PlannedData {
	if !r.DryRun && !r.planned.has(store) {
		return nil
	}
	return r.planned.dataOf(store)
}

// would holds the message of a planned row, by action.
var would = map[string]string{
	"StartInstance": "Would start", "StopInstance": "Would stop", "RestartInstance": "Would restart",
}

// plan returns the requests with PLANNED rows, so that nothing is sent.
func (a *Action) plan(steps []*Request) []*Request {
	planned := make([]*Request, len(steps))
	for i, s := range steps {
		planned[i] = s
		switch {
		case s.fixed != nil:
		case s.refusal != nil:
			planned[i] = Known(s.manager.Endpoint, s.action, s.instance, *s.refusal)
		default:
			planned[i] = Known(s.manager.Endpoint, s.action, s.instance, report.Row{
				Result: report.Planned, Success: true, StatusCode: http.StatusOK, Code: "planned", Message: would[s.action], Attempts: 1,
			})
		}
	}
	return planned
}

// PlanLifecycle adds the effect of a start or stop to the planned state. A restart has none.
func (r *Run) PlanLifecycle(v *cluster.View, instance string, to Lifecycle) {
	if to == Restart {
		return
	}
	store := wholeStore(v)
	for i := range store.Instances {
		in := &store.Instances[i]
		if instance != "" && in.Name != instance {
			continue
		}
		in.Status, in.Desired, in.Ready = wire.Stopped, wire.DesiredStopped, false
		if to == Start {
			in.Status, in.Desired, in.Ready, in.Started = wire.Running, wire.DesiredRunning, true, true
		}
	}
	r.planned.set(v.Name, &store)
}

// wholeStore returns the store with the state of every instance, joined from the reports of all managers.
func wholeStore(v *cluster.View) wire.Store {
	store := *v.Latest
	store.Instances, store.Leaving = nil, nil
	for _, seen := range v.Instances {
		in := seen.Instance
		if seen.Owner != nil {
			in.Manager = seen.Owner.Endpoint.String()
		}
		store.Instances = append(store.Instances, in)
	}
	return store
}

// planned plans an operation: the managers check it, unless the store exists only in the planned state. The effect is
// added to the planned state.
func (a *Action) planned(s *cluster.Session, p Operation) *commit.Outcome {
	v := p.View
	var out *commit.Outcome
	if a.Run.planned.has(v.Name) {
		out = &commit.Outcome{State: commit.DryRun}
		for range s.Members() {
			out.Rows = append(out.Rows, commit.Row{Result: commit.Planned, Code: "planned", Status: http.StatusOK})
		}
	} else {
		p.Change.DryRun = true
		out, _ = a.attempt(s, p)
	}
	if out.State != commit.DryRun {
		return out
	}
	for i, m := range s.Members() {
		out.Rows[i].Message = wouldChange(m, v, p.Change)
	}
	for _, line := range difference(v, p.Change) {
		a.Run.Reporter.Notice("dry run: " + v.Name + ": " + line)
	}
	a.Run.planned.set(v.Name, plannedStore(v, p.Change))
	return out
}

// wouldChange returns the message of a planned operation at one manager.
func wouldChange(m cluster.Member, v *cluster.View, c wire.Operation) string {
	if c.Removes() {
		return "Would remove the store and its data"
	}
	var come, leave []string
	for _, n := range c.Nodes {
		if _, there := v.Find(n.Name); !there && ownedBy(n, m) {
			come = append(come, n.Name)
		}
	}
	for _, in := range v.Instances {
		if !hasNode(c.Nodes, in.Name) && ownedBy(in.Node, m) {
			leave = append(leave, in.Name)
		}
	}
	what := "Would keep the new topology"
	if len(come) > 0 {
		what += "; here comes " + text.Few(come)
	}
	if len(leave) > 0 {
		what += "; here goes " + text.Few(leave)
	}
	return what
}

func ownedBy(n wire.Node, m cluster.Member) bool {
	return n.Manager == m.Endpoint.String() || n.Manager == "" && n.Host == m.Endpoint.Host
}

func hasNode(nodes []wire.Node, name string) bool {
	for _, n := range nodes {
		if n.Name == name {
			return true
		}
	}
	return false
}

// difference returns a line for each instance that is added, removed or gets another role.
func difference(v *cluster.View, c wire.Operation) []string {
	var out []string
	line := func(sign string, n wire.Node) {
		out = append(out, fmt.Sprintf("%s %s   %s:%d   client:%d   %s", sign, n.Name, n.Host, n.ClustronPort, n.ClientPort, n.Role))
	}
	for _, in := range v.Instances {
		if !hasNode(c.Nodes, in.Name) {
			line("-", in.Node)
		}
	}
	for _, n := range c.Nodes {
		old, there := v.Find(n.Name)
		switch {
		case !there:
			line("+", n)
		case old.Role != n.Role:
			line("~", n)
		}
	}
	return out
}

// plannedStore returns the store as it would be after an operation, or nil if the operation would remove it.
func plannedStore(v *cluster.View, c wire.Operation) *wire.Store {
	if c.Removes() {
		return nil
	}
	store := wire.Store{Name: c.Store, Engine: "etcd"}
	if v.Latest != nil {
		store = *v.Latest
	}
	store.Creation, store.LastOperation = c.Creation, c.ID
	store.Revision, store.Coordinator = c.BaseRevision+1, c.Coordinator
	store.Managers, store.Founders, store.Digest = c.Managers, c.Founders, wire.Digest(c.Store, c.Nodes)
	store.ClusterTLS = c.ClusterTLS
	store.Instances, store.Leaving = nil, nil
	for _, n := range c.Nodes {
		in := wire.Instance{Status: wire.Stopped, Desired: wire.DesiredStopped}
		if c.Desired == wire.DesiredRunning {
			in = wire.Instance{Status: wire.Running, Desired: wire.DesiredRunning, Ready: true, Started: true}
		}
		if old, there := v.Find(n.Name); there {
			in = old.Instance
		}
		in.Node = n
		store.Instances = append(store.Instances, in)
	}
	return &store
}
