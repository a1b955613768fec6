package stores

import (
	"fmt"
	"slices"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

var RemoveStore = runtime.Builtin{
	Name: "remove_store", Group: "Actions", Positional: 1,
	Doc: "Removes a store and deletes its data on every manager. Without `confirm` the run asks the user on the terminal; without a terminal the call is refused. `--yes` confirms in advance.",
	Params: params.Join([]runtime.Param{
		params.Name,
		{Name: "confirm", Type: runtime.String, Doc: "the store's name again, as a confirmation"},
		{Name: "stop_first", Type: runtime.Boolean, Default: false, Doc: "stop running instances first; without it a running store is refused"},
		params.Atomic,
	}, params.Execution(30)),
	Returns:    "results: with `stop_first`, one StopInstance row per instance; then one RemoveStore row per manager",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
remove_store{"OrdersStore", confirm = "OrdersStore"}:check()`,
	Impl: removeStore,
}

func removeStore(c *runtime.Call) (any, error) {
	r := run.Of(c)
	if err := r.MayAct(c); err != nil {
		return nil, err
	}
	v, err := r.View(c, c.String("name"))
	if err != nil {
		return nil, err
	}
	hint := ""
	if v.Latest == nil {
		if op := r.PendingCreate(c, v); op != nil {
			return nil, run.CreatePending(c, v, op)
		}
		hint = r.DidYouMean(c, v)
	}
	if err := confirm(r, c, v); err != nil {
		return nil, err
	}
	var s *cluster.Session
	if (c.Bool("atomic") || r.Planning(c)) && v.Latest != nil {
		if s, err = participantSession(r, c, v); err != nil {
			return nil, err
		}
	}
	a, err := r.Begin(c, "managers")
	if err != nil {
		return nil, err
	}
	if c.Bool("stop_first") && v.Latest != nil {
		a.Do(run.LifecycleRequests(v, run.Stop, "", false))
		if !a.Results.OK() {
			r.Reporter.Notice("not removed: " + a.Results.Summary())
			return a.End()
		}
		if r.Planning(c) {
			r.PlanLifecycle(v, "", run.Stop)
		}
	}
	if s == nil {
		removeEach(a, v, hint)
		return a.End()
	}
	a.OnRetry(removeStore)
	if err := a.RunOperation(s, func() (run.Operation, error) { return removal(r, c, s) }, nil); err != nil {
		return nil, err
	}
	return a.End()
}

// participantSession returns the session of the store's participants. It returns an error if one of them is missing.
func participantSession(r *run.Run, c *runtime.Call, v *cluster.View) (*cluster.Session, error) {
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
		if listed || v.Reports[i].Store != nil {
			part = append(part, m)
		}
	}
	return cluster.NewSession(part), nil
}

// removal returns the operation that removes a store.
func removal(r *run.Run, c *runtime.Call, s *cluster.Session) (run.Operation, error) {
	v, err := r.View(c, c.String("name"))
	if err != nil {
		return run.Operation{}, err
	}
	p, err := r.Propose(s, v, wire.RemoveStoreAction)
	p.Done, p.Change.Creation = "Removed", ""
	if v.Latest == nil && v.Silent == 0 { // another run was faster
		p.Unchanged, p.Absent = absent(v.Name), true
	}
	return p, err
}

func absent(store string) string { return "There is no store " + store + " here" }

// removeEach asks each manager on its own to remove the store (atomic = false). Managers that have no such store are
// not asked if none has it; the hint may then name a store that was meant.
func removeEach(a *run.Action, v *cluster.View, hint string) {
	var steps []*run.Request
	for _, s := range v.Reports {
		if v.Latest == nil && s.Row.Success {
			steps = append(steps, run.Known(s.Endpoint, wire.RemoveStoreAction, "", report.Row{
				Result: report.Success, Success: true, StatusCode: 200, Code: run.CodeAbsent, Message: absent(v.Name), Hint: hint,
			}))
			continue
		}
		asked := wire.ActionRequest{Action: wire.RemoveStoreAction, Store: v.Name}
		st := run.NewRequests([]cluster.Member{s.Member}, asked)[0]
		st.Accept = func(row *report.Row) { acceptGone(row, v.Name) }
		steps = append(steps, st)
	}
	a.Do(steps)
}

// acceptGone turns the answer "no such store" into a success.
func acceptGone(row *report.Row, store string) {
	if row.Code == wire.CodeStoreNotFound {
		row.Success, row.Result, row.Code, row.Hint = true, report.Success, run.CodeAbsent, ""
		row.Message = absent(store)
	}
}

func confirm(r *run.Run, c *runtime.Call, v *cluster.View) error {
	name := v.Name
	if c.Has("confirm") {
		if got := c.String("confirm"); got != name {
			return c.Misuse("confirm", "got %q, want the store's name, %q", got, name)
		}
		return nil
	}
	if r.Yes || r.Planning(c) {
		return nil
	}
	if r.Ask == nil {
		return c.Errorf("not_confirmed", "remove_store: deletes %s and its data for good: pass confirm = %q, or --yes", name, name)
	}
	where := make([]fanout.Endpoint, len(v.Reports))
	for i, s := range v.Reports {
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
