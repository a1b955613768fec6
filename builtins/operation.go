package builtins

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/commit"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// proposal is a change of topology that all managers are to take.
type proposal struct {
	change wire.Operation
	// claimed are the new nodes.
	claimed []string
	// view is what the change was planned on.
	view *cluster.View
	// unchanged, where set, says that there is nothing to do: "Already created".
	unchanged string
	// done says what has been done: "Created".
	done string
}

// propose begins a change of a store: what it builds on, who takes part and who decides.
func (r *Run) propose(s *cluster.Session, v *cluster.View, action string) (proposal, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return proposal{}, fmt.Errorf("no operation id: %w", err)
	}
	managers, home := cluster.Participants(s.Members())
	c := wire.Operation{ID: id.String(), Action: action, Store: v.Name, Owner: r.Owner(), Coordinator: home, Managers: managers, Creation: id.String()}
	if v.Latest != nil {
		c.Creation, c.BaseRevision, c.BaseOperation = v.Latest.Creation, v.Latest.Revision, v.Latest.LastOperation
		if v.Latest.Coordinator != "" {
			c.Coordinator = v.Latest.Coordinator
		}
	}
	return proposal{change: c, view: v}, nil
}

// together has all managers of the session take a change, or none. plan is asked for the change, and
// again when another change of the store came first: the call then waits for its turn as long as each
// answer may take. after, where set, waits for what follows from a change that all have taken.
func (a *action) together(s *cluster.Session, plan func() (proposal, error), after func(*action) error) error {
	limit := time.Now().Add(a.timeout)
	defer a.run.Reporter.Progress("")
	opened := len(a.shown.Rows) > 0
	for again := true; ; {
		p, err := plan()
		if err != nil {
			return err
		}
		if !opened {
			a.open(s, p.change.Action)
			opened = true
		}
		if p.unchanged != "" {
			a.same(s, p)
			return a.follow(after)
		}
		if a.run.dry(a.call) {
			a.keep(s, p, a.planned(s, p), false)
			return nil
		}
		before := len(a.shown.Rows)
		out, runner := a.attempt(s, p)
		late := time.Now().After(limit) || a.call.Context().Err() != nil
		switch {
		case out.Busy && !late:
			a.run.Reporter.Progress(a.call.Name + ": waiting: " + firstFailure(out))
			pause := time.Duration(500+rand.IntN(1000)) * time.Millisecond
			if clock.Sleep(clock{}, a.call.Context(), min(pause, time.Until(limit)+time.Millisecond)) == nil {
				continue
			}
		case out.Stale && !out.Busy && again && !late:
			again = false
			continue
		}
		a.keep(s, p, out, len(a.shown.Rows) > before)
		if out.State == commit.Committed {
			a.results.again = a.retell(s, p, runner, after)
		}
		return a.follow(after)
	}
}

// follow waits for what follows from a change that all have taken.
func (a *action) follow(after func(*action) error) error {
	if after == nil || !a.results.OK() || a.call.Context().Err() != nil {
		return nil
	}
	return after(a)
}

// open shows the head of the table.
func (a *action) open(s *cluster.Session, name string) {
	for _, m := range s.Members() {
		a.shown.Managers = append(a.shown.Managers, m.Endpoint.String())
	}
	a.shown.Operations = append(a.shown.Operations, name)
	a.run.beginAction(a.shown)
}

// maxSettle bounds how long the home is asked what it has decided: by then it has let the change go, and
// the managers settle the rest.
const maxSettle = time.Minute

// attempt brings one change to the managers. Rows are shown as they are known.
func (a *action) attempt(s *cluster.Session, p proposal) (*commit.Outcome, *commit.Driver) {
	r := &commit.Driver{
		Transport: a.transport(s), Clock: clock{},
		Operation: p.change, Claimed: p.claimed, Verb: p.done,
		Parallel: params.Parallelism(a.call) != 1, FailFast: a.call.Bool("fail_fast"), DecideTimeout: min(a.timeout, maxSettle),
	}
	if !p.change.DryRun {
		r.OnRow = func(i int, row commit.Row) { a.run.AddRow(a.shown, a.row(s.Members()[i].Endpoint, p, row)) }
	}
	for _, m := range s.Members() {
		r.Names = append(r.Names, m.Endpoint.String())
	}
	ctx, cancel := params.Bounded(a.call)
	defer cancel()
	if !p.change.DryRun {
		defer a.run.changing.begin(a.call.Name, s, &p.change)()
	}
	return r.Run(ctx), r
}

// transport keeps to the number of requests at once that the call gives, also where a change asks all.
func (a *action) transport(s *cluster.Session) transport {
	t := transport{client: a.run.Client, managers: s.Members(), timeout: params.QueryTimeout(a.call), connect: params.ConnectTimeout(a.call)}
	if n := params.Parallelism(a.call); n > 1 {
		t.parallel = n
	}
	return t
}

// keep takes the rows of an outcome into the results, shows them unless that was done as they came, and
// says where the cluster stands unless all went well.
func (a *action) keep(s *cluster.Session, p proposal, out *commit.Outcome, shown bool) {
	bad := false
	for i, row := range out.Rows {
		full := a.row(s.Members()[i].Endpoint, p, row)
		if !shown {
			a.run.AddRow(a.shown, full)
		}
		bad = bad || !full.Success
		a.results.rows = append(a.results.rows, &resultRow{Row: full})
	}
	if bad {
		a.run.Reporter.Notice(fanout.Printable(out.Summary))
	}
}

// same is the outcome of a change that had been made before.
func (a *action) same(s *cluster.Session, p proposal) {
	out := &commit.Outcome{State: commit.Committed}
	for range s.Members() {
		out.Rows = append(out.Rows, commit.Row{Result: commit.Done, Code: wire.CodeUnchanged, Message: p.unchanged, Status: 200, Attempts: 1})
	}
	a.keep(s, p, out, false)
}

func (a *action) row(at fanout.Endpoint, p proposal, row commit.Row) report.Row {
	out := report.Row{
		Manager: at.String(), Action: p.change.Action, Result: string(row.Result), Code: row.Code,
		Success: row.Result == commit.Done || row.Result == commit.Planned,
		Message: fanout.Printable(row.Message), Hint: fanout.Printable(row.Hint),
		StatusCode: row.Status, Attempts: row.Attempts, DurationMS: row.Duration.Milliseconds(),
	}
	out.Changed = row.Result == commit.Done && row.Code != wire.CodeUnchanged
	out.InDoubt = row.Code == commit.CodeUnknownOutcome
	if row.Code == fanout.Cancelled {
		out.Result = report.Cancelled
	}
	return out
}

// retell makes the retry of a change that is committed: only those are told that did not say so.
func (a *action) retell(s *cluster.Session, p proposal, r *commit.Driver, after func(*action) error) func(*runtime.Call, *Results) (*Results, error) {
	return func(c *runtime.Call, failed *Results) (*Results, error) {
		next, err := a.run.begin(a.call.From(c), failed.over)
		if err != nil {
			return nil, err
		}
		next.open(s, p.change.Action)
		r.OnRow = func(i int, row commit.Row) { next.run.AddRow(next.shown, next.row(s.Members()[i].Endpoint, p, row)) }
		next.keep(s, p, r.ResendCommit(c.Context()), true)
		next.results.again = next.retell(s, p, r, after)
		if err := next.follow(after); err != nil {
			return nil, err
		}
		return next.end()
	}
}

// firstFailure is what stands in the way.
func firstFailure(out *commit.Outcome) string {
	for _, row := range out.Rows {
		if row.Result == commit.Failed {
			return fanout.Printable(row.Message)
		}
	}
	return ""
}

// repeat is the retry of an action that was undone: the whole call once more.
func (a *action) repeat(whole func(*runtime.Call) (any, error)) {
	a.results.again = func(c *runtime.Call, _ *Results) (*Results, error) {
		value, err := whole(a.call.From(c))
		results, _ := value.(*Results)
		return results, err
	}
}
