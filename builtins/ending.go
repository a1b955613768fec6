package builtins

import (
	"fmt"
	"slices"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

var removeStore = runtime.Builtin{
	Name: "remove_store", Group: "Actions", Positional: 1,
	Doc: "Forgets a store and deletes its data on every manager. Without `confirm` it asks on a terminal and refuses elsewhere; `--yes` answers.",
	Params: params.Join([]runtime.Param{
		params.Name,
		{Name: "confirm", Type: runtime.String, Doc: "the store's name once more"},
		{Name: "stop_first", Type: runtime.Boolean, Default: false, Doc: "stop what runs before; without it a running store is refused"},
		params.Atomic,
	}, params.Execution(30)),
	Returns:    "results: a RemoveStore row a manager, after a StopInstance row an instance with stop_first",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
remove_store{"OrdersStore", confirm = "OrdersStore"}:check()`,
	Impl: func(c *runtime.Call) (any, error) { return of(c).removeStore(c) },
}

func (r *Run) removeStore(c *runtime.Call) (any, error) {
	if err := r.mayAct(c); err != nil {
		return nil, err
	}
	v, err := r.View(c, c.String("name"))
	if err != nil {
		return nil, err
	}
	if v.Latest == nil {
		if op := r.PendingCreate(c, v); op != nil {
			return nil, CreatePending(c, v, op)
		}
	}
	if err := r.confirm(c, v); err != nil {
		return nil, err
	}
	var s *cluster.Session
	if (c.Bool("atomic") || r.dry(c)) && v.Latest != nil {
		if s, err = r.keepersOf(c, v); err != nil {
			return nil, err
		}
	}
	a, err := r.begin(c, "managers")
	if err != nil {
		return nil, err
	}
	if c.Bool("stop_first") && v.Latest != nil {
		a.do(lifecycleSteps(v, stopping, "", false))
		if !a.results.OK() {
			r.Reporter.Notice("not removed: " + a.results.summary())
			return a.end()
		}
		if r.dry(c) {
			r.foreseeChange(v, "", stopping)
		}
	}
	if s == nil {
		a.removeEach(v)
		return a.end()
	}
	a.repeat(r.removeStore)
	if err := a.together(s, func() (proposal, error) { return r.ending(c, s) }, nil); err != nil {
		return nil, err
	}
	return a.end()
}

// keepersOf is the part of the session that keeps a store; all of its managers have to be there.
func (r *Run) keepersOf(c *runtime.Call, v *cluster.View) (*cluster.Session, error) {
	all, err := r.CompleteSession(c)
	if err != nil {
		return nil, err
	}
	if err := v.Missing(c.Name, all); err != nil {
		return nil, err
	}
	var part []cluster.Member
	for i, m := range all.Members() {
		listed := slices.ContainsFunc(v.Latest.Managers, func(k wire.Manager) bool { return k.Identity == m.Info.Identity })
		if listed || v.Sightings[i].Store != nil {
			part = append(part, m)
		}
	}
	return cluster.NewSession(part), nil
}

// ending is the change that removes a store.
func (r *Run) ending(c *runtime.Call, s *cluster.Session) (proposal, error) {
	v, err := r.View(c, c.String("name"))
	if err != nil {
		return proposal{}, err
	}
	p, err := r.propose(s, v, wire.RemoveStoreAction)
	p.done, p.change.Creation = "Removed", ""
	return p, err
}

// removeEach has every manager remove the store for itself.
func (a *action) removeEach(v *cluster.View) {
	var steps []*step
	for _, s := range v.Sightings {
		if v.Latest == nil && s.Row.Success {
			steps = append(steps, known(s.Endpoint, "RemoveStore", "", report.Row{
				Result: report.Success, Success: true, StatusCode: 200, Code: wire.CodeUnchanged, Message: "Was not there",
			}))
			continue
		}
		st := remove(s.Endpoint, "RemoveStore", "", wire.StorePath(v.Name))
		st.accept = acceptGone
		steps = append(steps, st)
	}
	a.do(steps)
}

// acceptGone takes "no such store" for done.
func acceptGone(row *report.Row) {
	if row.Code == wire.CodeStoreNotFound {
		row.Success, row.Result, row.Code, row.Hint = true, report.Success, wire.CodeUnchanged, ""
		row.Message = "Was not there"
	}
}

func (r *Run) confirm(c *runtime.Call, v *cluster.View) error {
	name := v.Name
	if c.Has("confirm") {
		if got := c.String("confirm"); got != name {
			return c.Misuse("confirm", "got %q, want the store's name, %q", got, name)
		}
		return nil
	}
	if r.Yes || r.dry(c) {
		return nil
	}
	if r.Ask == nil {
		return c.Errorf("not_confirmed", "remove_store: deletes %s and its data for good: pass confirm = %q, or --yes", name, name)
	}
	where := make([]fanout.Endpoint, len(v.Sightings))
	for i, s := range v.Sightings {
		where[i] = s.Endpoint
	}
	answer, err := r.Ask(c.Context(), fmt.Sprintf("Remove %s and delete its data on %s? Type its name to go on: ", name, cluster.Listed(where)))
	if err != nil {
		return err
	}
	if answer != name {
		return c.Errorf("not_confirmed", "remove_store: not confirmed: nothing was removed")
	}
	return nil
}
