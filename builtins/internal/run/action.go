package run

import (
	"context"
	"time"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// Request is one request of an action. If fixed is set, no request is sent and *fixed is its row.
type Request struct {
	manager  cluster.Member
	instance string
	action   string
	method   string
	path     string
	body     []byte
	asked    cluster.Asked
	fixed    *report.Row
	// refusal, unless nil, is the row that a dry run shows: the manager is known to refuse the request.
	refusal *report.Row
	// Accept, unless nil, may change the row, for instance a failure that counts as success for this action.
	Accept func(*report.Row)
}

func (s *Request) row() report.Row {
	return report.Row{Manager: s.manager.String(), Instance: s.instance, Action: s.action}
}

// Send returns the HTTP request without its body.
func (s *Request) Send() fanout.Request {
	return fanout.Request{Endpoint: s.manager.Endpoint, Method: s.method, Path: s.path, Manager: s.manager.Identity()}
}

// Action runs steps, one phase after the other, as one action of one call.
type Action struct {
	Run     *Run
	Call    *runtime.Call
	shown   *report.Action
	Results *Results
	Timeout time.Duration
	begun   bool
}

// begin records the action and begins to show it, once.
func (a *Action) begin() {
	if !a.begun {
		a.begun = true
		a.Run.beginAction(a.shown)
	}
}

// Begin begins an action. It returns an error if an earlier failure is unchecked.
func (r *Run) Begin(c *runtime.Call, over string) (*Action, error) {
	if err := r.MayAct(c); err != nil {
		return nil, err
	}
	a := &Action{
		Run: r, Call: c, shown: &report.Action{Builtin: c.Name},
		Timeout: params.Seconds(c.Float("timeout_sec")),
	}
	a.Results = NewResults(c, over, a.retry)
	return a, nil
}

// Do sends the steps and shows their rows as they arrive. The rows are kept in the steps' order.
func (a *Action) Do(steps []*Request) {
	if a.Run.Planning(a.Call) {
		steps = a.plan(steps)
	}
	a.announce(steps)
	a.begin()
	rows := make([]report.Row, len(steps))
	before := len(a.Results.rows)
	show := func(i int, row report.Row) {
		rows[i] = row
		a.Run.addRow(a.shown, before+i, row)
	}
	var requests []fanout.Request
	var asked []int
	var packed bodies
	stopped := false
	for i, s := range steps {
		switch {
		case s.fixed != nil:
			show(i, *s.fixed)
			stopped = stopped || a.Call.Bool("fail_fast") && !s.fixed.Success
			continue
		case stopped:
			row := s.row()
			row.Result, row.Code, row.Message = report.Skipped, fanout.Skipped, "not tried: fail_fast stopped the action before it"
			show(i, row)
			continue
		}
		request := s.Send()
		request.Body, request.Compressed = packed.of(s.body)
		requests = append(requests, request)
		asked = append(asked, i)
	}
	ctx, cancel := params.Bounded(a.Call)
	defer cancel()
	a.Run.Client.Do(ctx, requests, fanout.Options{
		Parallel: params.Parallelism(a.Call), FailFast: a.Call.Bool("fail_fast"),
		Timeout: a.Timeout, ConnectTimeout: params.ConnectTimeout(a.Call),
		Failed:   func(answer fanout.Answer) bool { return !steps[asked[answer.Index]].Read(answer).Success },
		OnAnswer: func(answer fanout.Answer) { i := asked[answer.Index]; show(i, steps[i].Read(answer)) },
	})
	for i, s := range steps {
		a.Results.rows = append(a.Results.rows, &resultRow{Row: rows[i], request: s})
	}
}

// Try sends one request, which may take as long as ctx and timeout allow. It returns the row, and does not show it.
func (a *Action) Try(ctx context.Context, s *Request, timeout time.Duration) (row report.Row) {
	a.Run.Client.Do(ctx, []fanout.Request{s.Send()}, fanout.Options{
		Parallel: 1, Timeout: timeout, ConnectTimeout: params.ConnectTimeout(a.Call),
		OnAnswer: func(answer fanout.Answer) { row = s.Read(answer) },
	})
	return row
}

// announce adds the managers and operations of the requests to the shown action, which the width of the columns is
// computed from.
func (a *Action) announce(steps []*Request) {
	for _, s := range steps {
		a.shown.Managers = append(a.shown.Managers, s.manager.String())
		a.shown.Operations = append(a.shown.Operations, report.Operation(s.action, s.instance))
	}
}

// bodies compresses each body once for all managers that get it.
type bodies struct {
	plain, sent []byte
	compressed  bool
}

// of returns the bytes to send for a body. Usually the body is that of the previous request.
func (b *bodies) of(plain []byte) ([]byte, bool) {
	if len(plain) == 0 {
		return plain, false
	}
	if len(b.plain) != len(plain) || &b.plain[0] != &plain[0] {
		b.plain = plain
		b.sent, b.compressed = fanout.Compress(plain)
	}
	return b.sent, b.compressed
}

// Show shows rows that are known, in the place of requests.
func (a *Action) Show(rows []report.Row) {
	for _, row := range rows {
		a.shown.Managers = append(a.shown.Managers, row.Manager)
		a.shown.Operations = append(a.shown.Operations, row.Operation())
	}
	a.begin()
	for _, row := range rows {
		a.Add(row)
	}
}

// Add shows a row below the rows of the requests, for something that the action has waited for.
func (a *Action) Add(row report.Row) {
	a.Run.addRow(a.shown, len(a.Results.rows), row)
	a.Results.rows = append(a.Results.rows, &resultRow{Row: row})
}

// AddSilent adds a failed row for each manager that did not answer, unless the run accepts silent managers.
func (a *Action) AddSilent(action string, silent []report.Row) {
	if len(silent) == 0 || a.Run.AcceptsSilence(a.Call, silent) {
		return
	}
	for _, row := range silent {
		row.Action, row.Result, row.Success, row.Changed = action, report.Failed, false, false
		row.Hint = "start it and call again, or accept silent managers with --allow-down"
		a.Add(row)
	}
}

// End ends the action. The script has to check a failure; with --strict a failure raises at once.
func (a *Action) End() (*Results, error) {
	a.Run.Reporter.End(a.shown)
	if err := a.Call.Context().Err(); err != nil {
		a.Run.Scope(a.Call).Checklist.addCancelled(a.Results)
		return nil, err
	}
	failed := a.Results.failure()
	if failed == nil {
		return a.Results, nil
	}
	if a.Run.Strict {
		a.Results.checked.Store(true)
		return nil, Raise(a.Call, failed)
	}
	a.Run.Scope(a.Call).Checklist.Add(a.Results)
	return a.Results, nil
}

// retry sends the failed requests again, for results:retry.
func (a *Action) retry(c *runtime.Call, failed *Results) (*Results, error) {
	next, err := a.Run.Begin(a.Call.From(c), failed.over)
	if err != nil {
		return nil, err
	}
	next.Results.consistent = failed.consistent
	var steps []*Request
	for _, row := range failed.rows {
		if !row.Success && row.request != nil {
			steps = append(steps, row.request)
		}
	}
	next.Do(steps)
	return next.End()
}

// Read returns the row for an answer.
func (s *Request) Read(answer fanout.Answer) report.Row {
	row := cluster.ReadResult(s.row(), s.manager, s.asked, answer)
	if s.Accept != nil {
		s.Accept(&row)
	}
	return row
}

// Raise returns e with the position of the call.
func Raise(c *runtime.Call, e *runtime.Error) error {
	e.File, e.Line = c.File, c.Line
	return e
}

// As returns a request like this one whose row is known, so that nothing is sent.
func (s *Request) As(row report.Row) *Request {
	return Known(s.manager.Endpoint, s.action, s.instance, row)
}

// NewRequests returns the same request to several managers, which share its body and its digest.
func NewRequests(to []cluster.Member, asked wire.ActionRequest) []*Request {
	row := report.Row{Action: asked.Action, Instance: asked.Instance}
	shared := Request{
		action: asked.Action, instance: asked.Instance, body: asked.Body(),
		asked: cluster.Asked{Operation: row.Operation(), Store: asked.Store, Digest: asked.Digest()},
	}
	shared.method, shared.path = asked.Route()
	out := make([]*Request, len(to))
	for i, m := range to {
		one := shared
		one.manager = m
		out[i] = &one
	}
	return out
}

// To sets the instance that the request changes. If its manager can't read its catalog, the row is its refusal, and a
// dry run shows it.
func (s *Request) To(in cluster.Instance) *Request {
	if in.CatalogLost && in.Owner != nil {
		row := cluster.ReadOnlyRow(in.Owner.Endpoint)
		s.refusal = &row
	}
	return s
}

// Known returns a request whose row is known, so that nothing is sent.
func Known(at fanout.Endpoint, action, instance string, row report.Row) *Request {
	s := &Request{manager: cluster.Member{Endpoint: at}, action: action, instance: instance}
	row.Manager, row.Instance, row.Action = at.String(), instance, action
	s.fixed = &row
	return s
}
