package stores

import (
	"fmt"

	"github.com/google/uuid"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/internal/topology"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

var NewStore = runtime.Builtin{
	Name: "new_store", Group: "Actions", Positional: 2,
	Doc: "Generates the topology of a new store and creates it on all managers or on none. Nothing runs yet: `start_store` starts it. " +
		"If the same store exists already, the call succeeds with the code `unchanged`.",
	Params:     newStoreParams(params.Name),
	Returns:    "results: one CreateStore row per manager",
	ReturnType: "results",
	Example:    `new_store{"OrdersStore", instance_prefix = "orders", instance_count = 2, parallel = true}:check()`,
	Impl:       newStore,
}

// newStoreParams returns the parameters of new_store, which topology takes too.
func newStoreParams(name runtime.Param) []runtime.Param {
	return params.Join([]runtime.Param{name}, topology.PlanParams, []runtime.Param{
		{Name: "nodes", Type: runtime.Table, Doc: "the whole topology in place of the generated one, in the form that `topology` returns. A given `role` is kept, but gateways become data instances until enough instances hold data: all of up to three instances, three of four, five of five or more"},
		params.Atomic,
	}, params.Execution(30))
}

func newStore(c *runtime.Call) (any, error) {
	r := run.Of(c)
	s, err := r.CompleteSession(c)
	if err != nil {
		return nil, err
	}
	nodes, err := wantedNodes(c, s)
	if err != nil {
		return nil, err
	}
	a, err := r.Begin(c, "managers")
	if err != nil {
		return nil, err
	}
	if c.Bool("atomic") || r.Planning(c) {
		a.OnRetry(newStore)
		err = a.RunOperation(s, func() (run.Operation, error) { return creation(r, c, s, nodes) }, nil)
	} else {
		err = createEach(a, s, nodes)
	}
	if err != nil {
		return nil, err
	}
	results, err := a.End()
	if err == nil && results.OK() && wire.DataTarget(len(nodes)) == 2 {
		r.Reporter.Notice(c.String("name") + " has two data instances: it stops writing when either of their servers fails; three survive the loss of one")
	}
	return results, err
}

// creation returns the operation that creates a store. If some managers have the store already, the others get the
// existing store.
func creation(r *run.Run, c *runtime.Call, s *cluster.Session, nodes []wire.Node) (run.Operation, error) {
	v, err := r.View(c, c.String("name"))
	if err != nil {
		return run.Operation{}, err
	}
	// An operation in progress may be committed at some managers before the others: the managers refuse this one as busy.
	if pending, _ := v.Pending(); pending == nil {
		if err := v.Inconsistent(c.Name); err != nil {
			return run.Operation{}, err
		}
	}
	same := v.Latest != nil && topology.SamePlan(v.Nodes(), nodes)
	if v.Latest != nil && !same {
		v.Latest = nil // a different store: the managers refuse the operation and report the difference
	}
	p, err := r.Propose(s, v, wire.CreateAction)
	if err != nil {
		return run.Operation{}, err
	}
	p.Done = "Created"
	if !same {
		p.Change.Nodes = wire.AssignRoles(nodes)
		p.Change.Founders, p.Change.Desired = wire.Founders(p.Change.Nodes), wire.DesiredStopped
		p.Claimed = topology.Names(nodes)
		return p, nil
	}
	if keptEverywhere(v) {
		p.Unchanged = "Already created"
		return p, nil
	}
	if err := v.Missing(c.Name, s); err != nil {
		return run.Operation{}, err
	}
	p.Change.Nodes, p.Change.Founders = v.Nodes(), v.Latest.Founders
	return p, nil
}

// keptEverywhere reports whether all managers of the session have the same store.
func keptEverywhere(v *cluster.View) bool {
	for _, s := range v.Reports {
		if s.Store == nil || s.Store.LastOperation != v.Latest.LastOperation || s.Store.Digest != v.Latest.Digest {
			return false
		}
	}
	return true
}

// createEach asks each manager on its own to create the store (atomic = false).
func createEach(a *run.Action, s *cluster.Session, nodes []wire.Node) error {
	v, err := a.Run.View(a.Call, a.Call.String("name"))
	if err != nil {
		return err
	}
	create, err := createRequest(v, s, nodes)
	if err != nil {
		return err
	}
	asked := wire.ActionRequest{Action: wire.CreateAction, Store: create.Name, Create: create}
	steps := run.NewRequests(s.Members(), asked)
	if err := v.Inconsistent(a.Call.Name); err != nil {
		for _, step := range steps {
			step.Accept = func(row *report.Row) {
				if row.Code == wire.CodeStoreExists {
					row.Hint = err.Hint
				}
			}
		}
	}
	a.Do(steps)
	return nil
}

// wantedNodes returns the topology of a new_store call: the given nodes, or generated ones.
func wantedNodes(c *runtime.Call, s *cluster.Session) ([]wire.Node, error) {
	if !c.Has("nodes") {
		if !c.Has("instance_prefix") {
			return nil, c.Misuse("instance_prefix", "required, unless nodes = {…} gives the whole topology")
		}
		return topology.Generate(c, s.Endpoints())
	}
	for _, p := range topology.PlanParams {
		if c.Given(p.Name) {
			return nil, c.Misuse(p.Name, "can't be combined with nodes, which is the whole topology already")
		}
	}
	nodes, err := topology.Parse(c, "nodes")
	if err != nil {
		return nil, err
	}
	return nodes, topology.Check(c, nodes)
}

// createRequest returns a request with the topology and what must be the same on all managers. If some managers have
// the store already, it keeps the id of the operation that created it: another id would mean another store.
func createRequest(v *cluster.View, s *cluster.Session, nodes []wire.Node) (*wire.CreateStore, error) {
	create := &wire.CreateStore{Name: v.Name, Nodes: nodes}
	for _, seen := range v.Reports {
		if seen.Store != nil && topology.SamePlan(seen.Store.Nodes(), nodes) {
			create.Operation, create.Managers = seen.Store.Creation, seen.Store.Managers
			create.Coordinator, create.ClusterTLS = seen.Store.Coordinator, seen.Store.ClusterTLS
			return create, nil
		}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("no operation id: %w", err)
	}
	create.Operation, create.ClusterTLS = id.String(), s.Secured()
	create.Managers, create.Coordinator = cluster.Participants(s.Members())
	return create, nil
}
