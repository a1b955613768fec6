package run

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
	"dkvrun/runtime/printable"
	"dkvrun/runtime/wire"
)

// Operation is an all-or-none change of a store, and how it is shown.
type Operation struct {
	Change wire.Operation
	// Claimed lists the names of the nodes that the operation adds; exactly one manager must own each of them.
	Claimed []string
	// View is the state that the operation was planned on.
	View *cluster.View
	// Unchanged, unless empty, is the message for an operation that has nothing to do: "Already created". Absent is
	// true if that is because the store or instance to be removed does not exist; Hint may then suggest one with a
	// similar name.
	Unchanged, Hint string
	Absent          bool
	// Done is the message of a manager that has committed: "Created".
	Done string
}

// CodeAbsent is the code of a row for the removal of something that does not exist.
const CodeAbsent = "absent"

// Propose returns a new operation on a store: its base, its participants and its coordinator.
func (r *Run) Propose(s *cluster.Session, v *cluster.View, action string) (Operation, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Operation{}, fmt.Errorf("no operation id: %w", err)
	}
	managers, coordinator := cluster.Participants(s.Members())
	c := wire.Operation{
		ID: id.String(), Action: action, Store: v.Name, Owner: r.Owner(), Creation: id.String(),
		Coordinator: coordinator, Managers: managers, ClusterTLS: s.Secured(),
	}
	if v.Latest != nil {
		c.ClusterTLS = v.Latest.ClusterTLS
		c.Creation, c.BaseRevision, c.BaseOperation = v.Latest.Creation, v.Latest.Revision, v.Latest.LastOperation
		if v.Latest.Coordinator != "" {
			c.Coordinator = v.Latest.Coordinator
		}
	}
	return Operation{Change: c, View: v}, nil
}

// RunOperation brings an operation to all managers of the session, or to none. It calls plan for the operation, and
// again if another operation of the store came first: it then waits for its turn, up to the timeout of the action.
// After, unless nil, waits for the effects of an operation that is committed.
func (a *Action) RunOperation(s *cluster.Session, plan func() (Operation, error), after func(*Action) error) error {
	limit := time.Now().Add(a.Timeout)
	defer a.Run.Reporter.Progress("")
	opened := a.begun
	for again := true; ; {
		p, err := plan()
		if err != nil {
			return err
		}
		if !opened {
			a.Open(s, p.Change.Action)
			opened = true
		}
		if p.Unchanged != "" {
			a.unchanged(s, p)
			return a.Follow(after)
		}
		if a.Run.Planning(a.Call) {
			a.Keep(s, p, a.planned(s, p), false)
			return nil
		}
		before := len(a.shown.Rows)
		out, runner := a.attempt(s, p)
		late := time.Now().After(limit) || a.Call.Context().Err() != nil
		switch {
		case out.Stale && !out.Busy && again && !late:
			again = false
			continue
		case (out.Busy || out.Stale && changing(out)) && !late:
			a.Run.Reporter.Progress(a.Call.Name + ": waiting: " + FirstFailure(out))
			pause := time.Duration(500+rand.IntN(1000)) * time.Millisecond
			if Clock.Sleep(Clock{}, a.Call.Context(), min(pause, time.Until(limit)+time.Millisecond)) == nil {
				continue
			}
		}
		a.Keep(s, p, out, len(a.shown.Rows) > before)
		if out.State == commit.Committed {
			a.Results.retry = a.recommit(s, p, runner, after)
		}
		return a.Follow(after)
	}
}

// changing reports whether a manager refused an operation because another operation of the store is in progress: it has
// locked the store, or has just removed it there. Once that one has ended, the operation can be planned again.
func changing(out *commit.Outcome) bool {
	for _, row := range out.Rows {
		if row.Code == wire.CodeStoreBusy || row.Code == wire.CodeStoreNotFound {
			return true
		}
	}
	return false
}

// Follow calls after, unless nil, if all rows so far succeeded.
func (a *Action) Follow(after func(*Action) error) error {
	if after == nil || !a.Results.OK() || a.Call.Context().Err() != nil {
		return nil
	}
	return after(a)
}

// Open begins the table of an operation.
func (a *Action) Open(s *cluster.Session, name string) {
	for _, m := range s.Members() {
		a.shown.Managers = append(a.shown.Managers, m.Endpoint.String())
	}
	a.shown.Operations = append(a.shown.Operations, name)
	a.begin()
}

// maxDecideTimeout bounds how long the driver asks the coordinator for its decision. By then the lease has expired, so
// the coordinator has aborted the operation or committed it, and the managers resolve what is left.
const maxDecideTimeout = time.Minute

// attempt runs the commit protocol for the operation once. It shows rows as they arrive.
func (a *Action) attempt(s *cluster.Session, p Operation) (*commit.Outcome, *commit.Driver) {
	r := &commit.Driver{
		Transport: a.transport(s), Clock: Clock{},
		Operation: p.Change, Claimed: p.Claimed, Verb: p.Done,
		Parallel: params.Parallelism(a.Call) != 1, FailFast: a.Call.Bool("fail_fast"), DecideTimeout: min(a.Timeout, maxDecideTimeout),
	}
	if !p.Change.DryRun {
		before := len(a.Results.rows)
		r.OnRow = func(i int, row commit.Row) {
			a.Run.addRow(a.shown, before+i, a.row(s.Members()[i].Endpoint, p, row))
		}
	}
	for _, m := range s.Members() {
		r.Names = append(r.Names, m.Endpoint.String())
	}
	ctx, cancel := params.Bounded(a.Call)
	defer cancel()
	if !p.Change.DryRun {
		defer a.Run.inFlight.begin(a.Call.Name, s, &p.Change)()
	}
	return r.Run(ctx), r
}

// Transport returns the transport of an operation outside of an action.
func (r *Run) Transport(c *runtime.Call, s *cluster.Session) commit.Transport {
	return transport{client: r.Client, managers: s.Members(), timeout: params.QueryTimeout(c)}
}

// transport returns the transport of the action. It respects the call's limit of requests in flight, also in phases
// that contact all managers.
func (a *Action) transport(s *cluster.Session) transport {
	t := transport{
		client: a.Run.Client, managers: s.Members(),
		timeout: params.QueryTimeout(a.Call), connect: params.ConnectTimeout(a.Call),
	}
	if n := params.Parallelism(a.Call); n > 1 {
		t.parallel = n
	}
	return t
}

// Keep adds the rows of an outcome to the results. It shows them unless they were shown as they arrived (shown), and
// prints a summary unless all managers succeeded.
func (a *Action) Keep(s *cluster.Session, p Operation, out *commit.Outcome, shown bool) {
	bad := false
	for i, row := range out.Rows {
		full := a.row(s.Members()[i].Endpoint, p, row)
		if !shown {
			a.Run.addRow(a.shown, len(a.Results.rows), full)
		}
		bad = bad || !full.Success
		a.Results.rows = append(a.Results.rows, &resultRow{Row: full})
	}
	if bad {
		a.Run.Reporter.Notice(printable.Line(out.Summary))
	}
}

// unchanged adds the rows of an operation that has nothing to do. A manager that can't read its catalog can't tell.
func (a *Action) unchanged(s *cluster.Session, p Operation) {
	out := &commit.Outcome{State: commit.Committed}
	code := wire.CodeUnchanged
	if p.Absent {
		code = CodeAbsent
	}
	out.Summary = p.View.Name + ": nothing was changed, and managers that can't read their catalog don't know the store"
	for _, m := range s.Members() {
		if p.View.ReadOnly(m.Endpoint) {
			row := cluster.ReadOnlyRow(m.Endpoint)
			out.Rows = append(out.Rows, commit.Row{
				Result: commit.Failed, Code: row.Code, Message: row.Message, Hint: row.Hint, Status: row.StatusCode,
			})
			continue
		}
		out.Rows = append(out.Rows, commit.Row{
			Result: commit.Done, Code: code, Message: p.Unchanged, Hint: p.Hint, Status: 200, Attempts: 1,
		})
	}
	a.Keep(s, p, out, false)
}

func (a *Action) row(at fanout.Endpoint, p Operation, row commit.Row) report.Row {
	out := report.Row{
		Manager: at.String(), Action: p.Change.Action, Result: string(row.Result), Code: row.Code,
		Success: row.Result == commit.Done || row.Result == commit.Planned,
		Message: printable.Line(row.Message), Hint: printable.Line(row.Hint),
		StatusCode: row.Status, Attempts: row.Attempts, DurationMS: row.Duration.Milliseconds(),
	}
	out.Changed = row.Result == commit.Done && row.Code != wire.CodeUnchanged && row.Code != CodeAbsent
	out.InDoubt = row.Code == commit.CodeUnknownOutcome
	if row.Code == fanout.Cancelled {
		out.Result = report.Cancelled
	}
	return out
}

// recommit returns the retry of a committed operation: it sends the commit again to managers that did not confirm it.
func (a *Action) recommit(
	s *cluster.Session, p Operation, r *commit.Driver, after func(*Action) error,
) func(*runtime.Call, *Results) (*Results, error) {
	return func(c *runtime.Call, failed *Results) (*Results, error) {
		next, err := a.Run.Begin(a.Call.From(c), failed.over)
		if err != nil {
			return nil, err
		}
		next.Open(s, p.Change.Action)
		r.OnRow = func(i int, row commit.Row) {
			next.Run.addRow(next.shown, i, next.row(s.Members()[i].Endpoint, p, row))
		}
		next.Keep(s, p, r.ResendCommit(c.Context()), true)
		next.Results.retry = next.recommit(s, p, r, after)
		if err := next.Follow(after); err != nil {
			return nil, err
		}
		return next.End()
	}
}

// FirstFailure returns the message of the first manager that failed.
func FirstFailure(out *commit.Outcome) string {
	for _, row := range out.Rows {
		if row.Result == commit.Failed {
			return printable.Line(row.Message)
		}
	}
	return ""
}

// OnRetry makes results:retry repeat the whole call, for an action that was rolled back.
func (a *Action) OnRetry(whole func(*runtime.Call) (any, error)) {
	a.Results.retry = func(c *runtime.Call, _ *Results) (*Results, error) {
		value, err := whole(a.Call.From(c))
		results, _ := value.(*Results)
		return results, err
	}
}
