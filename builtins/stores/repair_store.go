package stores

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/commit"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/printable"
	"dkvrun/runtime/wire"
)

var RepairStore = runtime.Builtin{
	Name: "repair_store", Group: "Actions", Positional: 2,
	Doc: "Resolves now an operation that was left in doubt when its runner or a manager failed; without this call the managers resolve it by themselves later. " +
		"An operation that is still in flight is waited for, never rolled back. With `lost` the store continues without a manager that is gone for good: " +
		"all other managers must take part. The lost manager need not answer; one that answers is not lost, unless it can't read its catalog. Another manager that does not answer is a failed row, unless silent managers are accepted (`--allow-down`). If the lost manager comes back, its decisions no longer count, and it stops its instances of the store. " +
		"With `decide` a person ends the one operation that nobody can decide: its coordinator had to fall back to an older catalog and may have committed or aborted it, and all other participants have voted for it. A plain call says so.",
	Params: params.Join([]runtime.Param{
		params.Name,
		{Name: "lost", Type: runtime.String, Doc: "the host, `host:port` or identity of a manager that will never come back"},
		{Name: "decide", Type: runtime.String, Enum: []string{wire.DecideMake, wire.DecideDrop}, Doc: "`make` commits the operation that nobody can decide, `drop` aborts it; not with `lost`"},
	}, params.Execution(60)),
	Returns:    "results: one RepairStore row per manager",
	ReturnType: "results",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
repair_store("OrdersStore"):check()`,
	Impl: repairStore,
}

func repairStore(c *runtime.Call) (any, error) {
	r := run.Of(c)
	if c.Has("lost") && c.Has("decide") {
		return nil, c.Errorf(wire.CodeBadRequest, "repair_store: lost and decide exclude each other: give one of them")
	}
	var s *cluster.Session
	var silent []report.Row
	var connect func(accepted string) error
	var err error
	if c.Has("lost") {
		s, silent, connect, err = r.AnsweringSession(c)
	} else {
		s, silent, err = r.ReachableSession(c)
	}
	if err != nil {
		return nil, err
	}
	a, err := r.Begin(c, "managers")
	if err != nil {
		return nil, err
	}
	participants, _ := cluster.Participants(s.Members())
	repair := &commit.Recovery{
		Transport: r.Transport(c, s), Clock: run.Clock{},
		Store: c.String("name"), Managers: participants, Timeout: a.Timeout,
	}
	for _, m := range s.Members() {
		repair.Names = append(repair.Names, m.Endpoint.String())
	}
	for _, row := range silent {
		repair.Silent = append(repair.Silent, row.Manager)
	}
	repair.Query(c.Context())
	if c.Has("lost") {
		lost, _ := repair.Find(c.String("lost"))
		at := ""
		if u, err := url.Parse(lost.URL); err == nil {
			at = u.Host
		}
		if err := connect(at); err != nil {
			return nil, err
		}
		silent = slices.DeleteFunc(silent, func(row report.Row) bool { return row.Manager == at })
	}
	a.OnRetry(repairStore)
	absent, err := absentHint(r, c, s, repair)
	if err != nil {
		return nil, err
	}
	if !c.Has("lost") {
		switch {
		case absent != nil:
			reportAbsent(a, s, *absent)
		case r.Planning(c):
			planRepair(a, s, repair, "")
		default:
			resolve(a, s, repair, c.String("decide"))
		}
		a.AddSilent(wire.RepairAction, silent)
		return a.End()
	}
	return repairWithout(r, c, a, s, repair, silent)
}

// repairWithout lets the store continue without the manager that the call declares lost. silent are the rows of other
// managers that do not answer.
func repairWithout(
	r *run.Run, c *runtime.Call, a *run.Action, s *cluster.Session, repair *commit.Recovery, silent []report.Row,
) (any, error) {
	lost, found := repair.Find(c.String("lost"))
	if !found {
		return nil, c.Errorf(wire.CodeMissingManager, "repair_store: no manager that answered knows one on %s to keep %s", c.String("lost"), repair.Store)
	}
	if repair.IsCoordinator(lost.Identity) {
		out := repair.CheckReplacement(lost)
		if out == nil && r.Planning(c) {
			planRepair(a, s, repair, lost.Identity)
			a.AddSilent(wire.RepairAction, silent)
			return a.End()
		}
		if out == nil {
			out = repair.ReplaceCoordinator(c.Context(), lost)
		}
		if out != nil {
			a.Open(s, wire.RepairAction)
			a.Keep(s, run.Operation{Change: wire.Operation{Action: wire.RepairAction}}, out, false)
			a.AddSilent(wire.RepairAction, silent)
			return a.End()
		}
	}
	if answers(a, lost) && !repair.IsReadOnly(lost.Identity) {
		return nil, c.Errorf(wire.CodeCoordinatorAlive, "repair_store: the manager on %s answers: it is not lost", lost.URL)
	}
	if r.Planning(c) {
		planRepair(a, s, repair, lost.Identity)
		a.AddSilent(wire.RepairAction, silent)
		return a.End()
	}
	return dropLost(r, c, a, s, lost, silent)
}

// absentHint returns the hint for a store that no manager knows, which may be empty, or nil if there is the store, or
// a manager did not say.
func absentHint(r *run.Run, c *runtime.Call, s *cluster.Session, repair *commit.Recovery) (*string, error) {
	if repair.Knows() {
		return nil, nil
	}
	v, err := r.ViewOf(c, s, c.String("name"))
	if err != nil || v.Latest != nil || v.Silent > 0 { // a dry run may have planned the store
		return nil, err
	}
	hint := r.DidYouMean(c, v)
	return &hint, nil
}

// reportAbsent adds the rows of managers that have nothing to repair.
func reportAbsent(a *run.Action, s *cluster.Session, hint string) {
	out := &commit.Outcome{State: commit.Committed}
	for range s.Members() {
		out.Rows = append(out.Rows, commit.Row{
			Result: commit.Done, Code: run.CodeAbsent, Message: absent(a.Call.String("name")), Hint: hint, Status: 200, Attempts: 1,
		})
	}
	a.Open(s, wire.RepairAction)
	a.Keep(s, run.Operation{Change: wire.Operation{Action: wire.RepairAction}}, out, false)
}

// planRepair adds the rows of a dry run. The manager that is declared lost need not take part.
func planRepair(a *run.Action, s *cluster.Session, repair *commit.Recovery, lost string) {
	a.Open(s, wire.RepairAction)
	a.Keep(s, run.Operation{Change: wire.Operation{Action: wire.RepairAction}}, repair.Plan(lost), false)
}

// resolve resolves the operations in doubt at the managers that answer. decide is what a person has decided about the
// one that nobody can, or empty.
func resolve(a *run.Action, s *cluster.Session, repair *commit.Recovery, decide string) {
	a.Open(s, wire.RepairAction)
	var out *commit.Outcome
	if decide != "" {
		out = repair.Decide(a.Call.Context(), decide == wire.DecideMake)
	} else {
		out = repair.Resolve(a.Call.Context())
	}
	a.Keep(s, run.Operation{Change: wire.Operation{Action: wire.RepairAction}}, out, false)
	if out.State == commit.Committed {
		a.Run.Reporter.Notice(printable.Line(out.Summary))
	}
}

// answers reports whether the manager that is declared lost answers nevertheless. The catalog may have its URL from
// before it was secured, so with a credential it is asked over TLS as well.
func answers(a *run.Action, lost wire.Manager) bool {
	endpoints, err := fanout.ParseEndpoints([]string{lost.URL}, wire.DefaultManagerPort)
	if err != nil {
		return false
	}
	secure := endpoints[0]
	secure.Scheme = ""
	if secure = a.Run.Client.Resolve(secure); secure.Scheme == "https" && secure != endpoints[0] {
		if p := a.Run.Caller(a.Call).Probe(a.Call.Context(), []fanout.Endpoint{secure})[0]; p.Info != nil {
			return p.Info.Identity == lost.Identity
		}
	}
	p := a.Run.Caller(a.Call).Probe(a.Call.Context(), endpoints)[0]
	return p.Info != nil && p.Info.Identity == lost.Identity
}

// dropLost runs an operation, at the coordinator, that removes a lost manager from the participants. The lost manager
// has no vote: if it is in the session, it answers, but can't read its catalog.
func dropLost(
	r *run.Run, c *runtime.Call, a *run.Action, s *cluster.Session, lost wire.Manager, silent []report.Row,
) (any, error) {
	var left []cluster.Member
	var readOnly *cluster.Member
	for _, m := range s.Members() {
		if m.Identity() == lost.Identity {
			readOnly = &m
		} else {
			left = append(left, m)
		}
	}
	s = cluster.NewSession(left)
	err := a.RunOperation(s, func() (run.Operation, error) {
		v, err := r.ViewOf(c, s, c.String("name"))
		if err != nil {
			return run.Operation{}, err
		}
		if v.Latest == nil {
			return run.Operation{}, r.NotFound(c, v)
		}
		p, err := r.Propose(s, v, wire.RepairAction)
		p.Change.Drop, p.Change.Nodes, p.Change.Founders = lost.Identity, v.Nodes(), v.Latest.Founders
		p.Done = fmt.Sprintf("Goes on without %s", lost.URL)
		return p, err
	}, nil)
	if err != nil {
		return nil, err
	}
	if readOnly != nil && a.Results.OK() {
		a.Add(report.Row{
			Manager: readOnly.Endpoint.String(), Action: wire.RepairAction, Result: report.Success, Success: true,
			Code: wire.CodeUnchanged, Message: commit.DeclaredLost, StatusCode: http.StatusOK,
		})
	}
	a.AddSilent(wire.RepairAction, silent)
	return a.End()
}
