package builtins

import (
	"net/http"
	"time"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
)

// step is one request of an action, or, with fixed set, a row that is known without asking.
type step struct {
	manager  fanout.Endpoint
	instance string
	action   string
	method   string
	path     string
	body     []byte
	fixed    *report.Row
	// accept may turn an answer that counts as a failure elsewhere into what it means here.
	accept func(*report.Row)
}

func (s *step) row() report.Row {
	return report.Row{Manager: s.manager.String(), Instance: s.instance, Action: s.action}
}

// action runs steps, one phase after the other, as one action of one call.
type action struct {
	run     *Run
	call    *runtime.Call
	shown   *report.Action
	results *Results
	timeout time.Duration
}

// begin starts an action, unless an earlier failure forbids it.
func (r *Run) begin(c *runtime.Call, over string) (*action, error) {
	if err := r.mayAct(c); err != nil {
		return nil, err
	}
	a := &action{
		run: r, call: c, shown: &report.Action{Builtin: c.Name},
		results: &Results{builtin: c.Name, file: c.File, line: c.Line, over: over},
		timeout: params.Seconds(c.Float("timeout_sec")),
	}
	a.results.again = func(c *runtime.Call, failed *Results) (*Results, error) { return a.retry(c, failed) }
	return a, nil
}

// do sends the steps and shows their rows as they arrive. The rows are kept in the steps' order.
func (a *action) do(steps []*step) {
	first := len(a.shown.Rows) == 0
	if a.run.dry(a.call) {
		steps = a.plan(steps)
	}
	for _, s := range steps {
		a.shown.Managers = append(a.shown.Managers, s.manager.String())
		a.shown.Operations = append(a.shown.Operations, report.Operation(s.action, s.instance))
	}
	if first {
		a.run.beginAction(a.shown)
	}
	rows := make([]report.Row, len(steps))
	show := func(i int, row report.Row) {
		rows[i] = row
		a.run.AddRow(a.shown, row)
	}
	var requests []fanout.Request
	var asked []int
	var packed bodies
	stopped := false
	for i, s := range steps {
		switch {
		case s.fixed != nil:
			show(i, *s.fixed)
			stopped = stopped || a.call.Bool("fail_fast") && !s.fixed.Success
			continue
		case stopped:
			row := s.row()
			row.Result, row.Code, row.Message = report.Skipped, fanout.Skipped, "not tried: fail_fast stopped the action before it"
			show(i, row)
			continue
		}
		request := fanout.Request{Endpoint: s.manager, Method: s.method, Path: s.path}
		request.Body, request.Compressed = packed.of(s.body)
		requests = append(requests, request)
		asked = append(asked, i)
	}
	ctx, cancel := params.Bounded(a.call)
	defer cancel()
	a.run.Client.Do(ctx, requests, fanout.Options{
		Parallel: params.Parallelism(a.call), FailFast: a.call.Bool("fail_fast"), Timeout: a.timeout, ConnectTimeout: params.ConnectTimeout(a.call),
		Failed:   func(answer fanout.Answer) bool { return !steps[asked[answer.Index]].read(answer).Success },
		OnAnswer: func(answer fanout.Answer) { i := asked[answer.Index]; show(i, steps[i].read(answer)) },
	})
	for i, s := range steps {
		a.results.rows = append(a.results.rows, &resultRow{Row: rows[i], step: s})
	}
}

// bodies compresses each body once, however many managers get it.
type bodies struct {
	plain, sent []byte
	compressed  bool
}

// of gives what is sent for a body, which is that of the step before it as a rule.
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

// add shows a row that a wait came to, below those of the requests.
func (a *action) add(row report.Row) {
	a.run.AddRow(a.shown, row)
	a.results.rows = append(a.results.rows, &resultRow{Row: row})
}

// end closes the action: failures wait to be looked at, or raise at once with --strict.
func (a *action) end() (*Results, error) {
	a.run.Reporter.End(a.shown)
	if err := a.call.Context().Err(); err != nil {
		a.run.Scope(a.call).unseen.cut(a.results)
		return nil, err
	}
	failed := a.results.failure()
	if failed == nil {
		return a.results, nil
	}
	if a.run.Strict {
		a.results.all.Store(true)
		return nil, raise(a.call, failed)
	}
	a.run.Scope(a.call).unseen.add(a.results)
	return a.results, nil
}

// retry does the failed steps again, as the script's call of retry.
func (a *action) retry(c *runtime.Call, failed *Results) (*Results, error) {
	next, err := a.run.begin(a.call.From(c), failed.over)
	if err != nil {
		return nil, err
	}
	var steps []*step
	for _, row := range failed.rows {
		if !row.Success && row.step != nil {
			steps = append(steps, row.step)
		}
	}
	next.do(steps)
	return next.end()
}

// read turns an answer into a row.
func (s *step) read(answer fanout.Answer) report.Row {
	row := cluster.ReadResult(s.row(), s.method != "", answer)
	if s.accept != nil {
		s.accept(&row)
	}
	return row
}

// raise returns e with the caller's place.
func raise(c *runtime.Call, e *runtime.Error) error {
	e.File, e.Line = c.File, c.Line
	return e
}

// post is a step that POSTs; body may be nil.
func post(at fanout.Endpoint, action, instance, path string, body []byte) *step {
	return &step{manager: at, action: action, instance: instance, method: http.MethodPost, path: path, body: body}
}

// remove is a step that DELETEs.
func remove(at fanout.Endpoint, action, instance, path string) *step {
	return &step{manager: at, action: action, instance: instance, method: http.MethodDelete, path: path}
}

// known is a step whose row needs no request.
func known(at fanout.Endpoint, action, instance string, row report.Row) *step {
	s := &step{manager: at, action: action, instance: instance}
	row.Manager, row.Instance, row.Action = at.String(), instance, action
	s.fixed = &row
	return s
}
