package builtins

import (
	"fmt"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/runtime"
	"dkvrun/runtime/commit"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

var repairStore = runtime.Builtin{
	Name: "repair_store", Group: "Actions", Positional: 2,
	Doc: "Settles at once what a change of a store left behind when its runner or a manager went away; managers do so by themselves, later. " +
		"A change that is still being made is waited for, never undone. With `lost` the store goes on without a manager that is gone for good: " +
		"all others have to take part, and the lost one is not believed any more when it comes back.",
	Params: params.Join([]runtime.Param{
		params.Name,
		{Name: "lost", Type: runtime.String, Doc: "the host, `host:port` or identity of a manager that will never come back"},
	}, params.Execution(60)),
	Returns:    "results: a RepairStore row a manager",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
repair_store("OrdersStore"):check()`,
	Impl: func(c *runtime.Call) (any, error) { return of(c).repairStore(c) },
}

func (r *Run) repairStore(c *runtime.Call) (any, error) {
	all, err := r.CallSession(c)
	if err != nil {
		return nil, err
	}
	s, err := all.Reachable(c.Context(), r.Caller(c))
	if err != nil {
		return nil, err
	}
	a, err := r.begin(c, "managers")
	if err != nil {
		return nil, err
	}
	participants, _ := cluster.Participants(s.Members())
	repair := &commit.Recovery{
		Transport: transport{client: r.Client, managers: s.Members(), timeout: params.QueryTimeout(c)}, Clock: clock{},
		Store: c.String("name"), Managers: participants, Timeout: a.timeout,
	}
	for _, m := range s.Members() {
		repair.Names = append(repair.Names, m.Endpoint.String())
	}
	repair.Query(c.Context())
	a.repeat(r.repairStore)
	if r.dry(c) {
		a.planRepair(s)
		return a.end()
	}
	if !c.Has("lost") {
		a.settle(s, repair)
		return a.end()
	}
	lost, found := repair.Find(c.String("lost"))
	if !found {
		return nil, c.Errorf(wire.CodeMissingManager, "repair_store: no manager that answered knows one on %s to keep %s", c.String("lost"), repair.Store)
	}
	if repair.IsCoordinator(lost.Identity) {
		a.open(s, wire.RepairAction)
		a.keep(s, proposal{change: wire.Operation{Action: wire.RepairAction}}, repair.ReplaceCoordinator(c.Context(), lost), false)
		return a.end()
	}
	if a.answers(lost) {
		return nil, c.Errorf(wire.CodeCoordinatorAlive, "repair_store: the manager on %s answers: it is not lost", lost.URL)
	}
	return r.drop(c, a, s, lost)
}

func (a *action) planRepair(s *cluster.Session) {
	out := &commit.Outcome{State: commit.DryRun}
	for range s.Members() {
		out.Rows = append(out.Rows, commit.Row{Result: commit.Planned, Code: "planned", Message: "Would settle what is pending"})
	}
	a.open(s, wire.RepairAction)
	a.keep(s, proposal{change: wire.Operation{Action: wire.RepairAction}}, out, false)
}

func (a *action) settle(s *cluster.Session, repair *commit.Recovery) {
	a.open(s, wire.RepairAction)
	out := repair.Resolve(a.call.Context())
	a.keep(s, proposal{change: wire.Operation{Action: wire.RepairAction}}, out, false)
	if out.State == commit.Committed {
		a.run.Reporter.Notice(fanout.Printable(out.Summary))
	}
}

// answers says whether a manager can be reached after all.
func (a *action) answers(lost wire.Manager) bool {
	endpoints, err := fanout.ParseEndpoints([]string{lost.URL}, wire.DefaultManagerPort)
	if err != nil {
		return false
	}
	p := a.run.Caller(a.call).Probe(a.call.Context(), endpoints, nil)[0]
	return p.Info != nil && p.Info.Identity == lost.Identity
}

// drop is an ordinary change of the store, at its home, that leaves a manager out.
func (r *Run) drop(c *runtime.Call, a *action, s *cluster.Session, lost wire.Manager) (any, error) {
	err := a.together(s, func() (proposal, error) {
		v, err := r.ViewOf(c, s, c.String("name"))
		if err != nil {
			return proposal{}, err
		}
		if v.Latest == nil {
			return proposal{}, r.NotFound(c, v)
		}
		p, err := r.propose(s, v, wire.RepairAction)
		p.change.Drop, p.change.Nodes, p.change.Founders = lost.Identity, v.Nodes(), v.Latest.Founders
		p.done = fmt.Sprintf("Goes on without %s", lost.URL)
		return p, err
	}, nil)
	if err != nil {
		return nil, err
	}
	return a.end()
}
