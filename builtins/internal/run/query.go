package run

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
)

// QueryResult tells which managers did not answer a query that the script made. It is the Source of the rows or of the
// record that the query returns. A query that not all managers answered has to be checked, like a failed action.
type QueryResult struct {
	builtin, file string
	line          int
	asked         int
	silent        []report.Row
	returned      bool // the script has the result, so that it can check it
	checked       atomic.Bool
}

// ok reports whether every manager answered.
func (q *QueryResult) ok() bool { return len(q.silent) == 0 }

// SetChecked notes that the script need not check the result any more.
func (q *QueryResult) SetChecked() { q.checked.Store(true) }

// Checked implements Checkable.
func (q *QueryResult) Checked() bool { return q.ok() || q.checked.Load() }

// Unchecked implements Checkable.
func (q *QueryResult) Unchecked() *UncheckedFailure {
	if q.Checked() {
		return nil
	}
	remedy := "accept silent managers with --allow-down"
	if q.returned {
		remedy = fmt.Sprintf("look at what %s returns (ok, unreachable, check()), or %s", q.builtin, remedy)
	}
	first := q.silent[0]
	what := fmt.Sprintf("%s (%s: %s)", q.count(), first.Manager, first.Code) // a notice has shown the full message
	return &UncheckedFailure{File: q.file, Line: q.line, What: what, Remedy: remedy}
}

// Summary returns "get_store: 1 of 2 managers did not answer: 10.0.0.12:7801: connection refused".
func (q *QueryResult) Summary() string {
	return fmt.Sprintf("%s: %s", q.count(), cluster.Reasons(q.silent))
}

func (q *QueryResult) count() string {
	return fmt.Sprintf("%s: %d of %d managers %s", q.builtin, len(q.silent), q.asked, cluster.NotAnswered(q.silent))
}

// failure returns the error that check and assert raise; nil if every manager answered.
func (q *QueryResult) failure() *runtime.Error {
	if q.ok() {
		return nil
	}
	return &runtime.Error{Code: q.silent[0].Code, Message: q.Summary(), Hint: cluster.Remedy(q.silent)}
}

// unreachable returns the managers that did not answer, as scripts see them.
func (q *QueryResult) unreachable() runtime.List {
	list := runtime.List{}
	for _, row := range q.silent {
		list.Items = append(list.Items, runtime.Record{Type: SilentType, Values: silentFields(row)})
	}
	return list
}

func silentFields(row report.Row) map[string]any {
	return map[string]any{
		"manager": row.Manager, "code": row.Code, "message": row.Message, "hint": row.Field("hint"), "who": row.Field("who"),
	}
}

// ObjectType implements runtime.Object.
func (q *QueryResult) ObjectType() *runtime.ObjectType { return queryType }

var queryType = &runtime.ObjectType{
	Name: "query",
	Assert: func(o runtime.Object) error {
		q := o.(*QueryResult)
		q.checked.Store(true)
		if failed := q.failure(); failed != nil {
			return failed
		}
		return nil
	},
}

// SilentType declares the fields of a manager that did not answer.
var SilentType = &runtime.RecordType{Name: "silent", Doc: "A manager that did not answer a query.", Fields: []runtime.Field{
	{Name: "manager", Doc: "host:port"},
	{Name: "code", Doc: "refused, timeout, …"},
	{Name: "message", Doc: "a sentence for a person"},
	{Name: "hint", Doc: "what to do about it, or nil"},
	{Name: "who", Doc: "who the request was made as, over TLS: the URI of the credential's identity, or token; else nil"},
}}

// OnCheck is the OnRead of fields that tell whether all managers answered: to read one counts as a check.
func OnCheck(source runtime.Object) { source.(*QueryResult).checked.Store(true) }

// AnswerFields are the fields of what a query returns that tell whether all managers answered.
var AnswerFields = []runtime.Field{
	{Name: "ok", Doc: "true when every manager answered", OnRead: OnCheck},
	{Name: "unreachable", Type: "list of silent", OnRead: OnCheck,
		Doc: "a list of the managers that did not: `{manager, code, message}`"},
}

// RowsType declares the named fields of a query's list.
var RowsType = &runtime.RecordType{
	Name:   "rows",
	Doc:    "A list, with the managers that did not answer. If some did not, the script has to look at `ok` or `unreachable`, or to call `check`.",
	Fields: AnswerFields, Methods: []runtime.Builtin{CheckMethod("the rows", "rows")},
}

// Rows makes the list that a query returns. It is an error if no manager answered, not even a part of it.
func (r *Run) Rows(c *runtime.Call, items []any, silent []report.Row, asked int) (runtime.List, error) {
	answered := r.Answered
	if len(items) > 0 {
		answered = r.answeredInPart
	}
	q, err := answered(c, silent, asked, true)
	if err != nil {
		return runtime.List{}, err
	}
	return runtime.List{Items: items, Type: RowsType, Values: AnswerValues(q), Source: q}, nil
}

// AnswerValues returns the values of AnswerFields.
func AnswerValues(q *QueryResult) map[string]any {
	return map[string]any{"ok": q.ok(), "unreachable": q.unreachable()}
}

// CheckMethod returns the method check of what a query returns.
func CheckMethod(returns, returnType string) runtime.Builtin {
	return runtime.Builtin{
		Name: "check", Doc: "Raises if a manager did not answer; returns " + returns + " otherwise.",
		Returns: returns, ReturnType: returnType, Example: `print(#get_store():check())`,
		Impl: func(c *runtime.Call) (any, error) {
			q := c.Self.(*QueryResult)
			q.checked.Store(true)
			if failed := q.failure(); failed != nil {
				return nil, Raise(c, failed)
			}
			return c.Receiver, nil
		},
	}
}

// Answered notes which of the asked managers did not answer a query of the script, each with a row. It is an error if
// none answered, and with --strict if some did not. Otherwise the script has to check the result, unless it accepts
// silent managers; returned reports whether it gets the result.
func (r *Run) Answered(c *runtime.Call, silent []report.Row, asked int, returned bool) (*QueryResult, error) {
	if len(silent) > 0 && len(silent) == asked {
		r.unreachable.noteSilent(silent)
		return nil, Raise(c, cluster.NoAnswer(c.Name, silent))
	}
	return r.answeredInPart(c, silent, asked, returned)
}

// answeredInPart does the same as Answered for a query of which some of the silent managers have answered a part: it is
// no error if none has answered the whole.
func (r *Run) answeredInPart(c *runtime.Call, silent []report.Row, asked int, returned bool) (*QueryResult, error) {
	q := &QueryResult{builtin: c.Name, file: c.File, line: c.Line, asked: asked, silent: silent, returned: returned}
	r.unreachable.noteSilent(silent)
	switch {
	case q.ok():
		return q, nil
	case r.AcceptsSilence(c, silent):
		q.SetChecked()
	case r.Strict:
		return nil, Raise(c, q.failure())
	default:
		r.Scope(c).Checklist.Add(q)
		looksOf(c.Context()).add(q)
	}
	if summary := q.Summary(); looksOf(c.Context()).isNews(summary) {
		r.Reporter.Notice(summary)
	}
	return q, nil
}

// AcceptsSilence reports whether the script need not check that these managers did not answer.
func (r *Run) AcceptsSilence(c *runtime.Call, silent []report.Row) bool {
	if r.AllowDown {
		return true
	}
	if s := r.Scope(c).Session(); s != nil && s.AllowsDown() && !(c.Declares("managers") && c.Has("managers")) {
		return true
	}
	for _, row := range silent {
		if r.Fixtures == nil || !r.Fixtures.Disturbed(row.Manager) {
			return false
		}
	}
	return true
}

// Looks holds the queries of a function that is called again and again until it succeeds. Only those of its last call
// have to be checked.
type Looks struct {
	outer   *Looks // of a wait that this one is part of
	mu      sync.Mutex
	results []*QueryResult
	said    string // the last notice
}

type looksKey struct{}

// WithLooks returns a context for the calls of such a function.
func WithLooks(ctx context.Context) (context.Context, *Looks) {
	l := &Looks{outer: looksOf(ctx)}
	return context.WithValue(ctx, looksKey{}, l), l
}

func looksOf(ctx context.Context) *Looks {
	l, _ := ctx.Value(looksKey{}).(*Looks)
	return l
}

func (l *Looks) add(q *QueryResult) {
	for ; l != nil; l = l.outer {
		l.mu.Lock()
		l.results = append(l.results, q)
		l.mu.Unlock()
	}
}

// isNews reports whether a notice differs from the last one.
func (l *Looks) isNews(notice string) bool {
	if l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.said
	l.said = notice
	return notice != before
}

// Again is called before each further call of the function. The script need not check the queries of the earlier ones.
func (l *Looks) Again() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, q := range l.results {
		q.checked.Store(true)
	}
	l.results = nil
}

// unreachable holds the managers that did not answer the last query to them.
type unreachable struct {
	mu     sync.Mutex
	silent map[string]silence // by manager
	count  int
}

// silence is the reason why a manager did not answer. Managers are listed in the order in which they became silent.
type silence struct {
	report.Row
	order int
}

// note updates the managers by the responses to a query.
func (u *unreachable) note(responses []cluster.Response) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := range responses {
		u.set(responses[i].Endpoint, responses[i].Answered(), responses[i].Row)
	}
}

// noteProbes updates the managers by the responses to a connection.
func (u *unreachable) noteProbes(probes []cluster.Probe) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range probes {
		u.set(p.Endpoint, p.Row.Success, p.Row)
	}
}

// noteSilent adds managers whose answer does not tell what the query asked for.
func (u *unreachable) noteSilent(rows []report.Row) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, row := range rows {
		u.setNamed(row.Manager, false, row)
	}
}

func (u *unreachable) set(at fanout.Endpoint, answered bool, row report.Row) {
	if answered && len(u.silent) == 0 { // this costs nothing where all answer
		return
	}
	u.setNamed(at.String(), answered, row)
}

func (u *unreachable) setNamed(manager string, answered bool, row report.Row) {
	before, known := u.silent[manager]
	switch {
	case answered:
		delete(u.silent, manager)
		return
	case u.silent == nil:
		u.silent = map[string]silence{}
	}
	if !known {
		u.count++
		before.order = u.count
	}
	u.silent[manager] = silence{row, before.order}
}

// Unreachable returns the managers that did not answer the last query to them: manager, code and message of each.
func (r *Run) Unreachable() []any {
	r.unreachable.mu.Lock()
	defer r.unreachable.mu.Unlock()
	out := []any{}
	byOrder := func(a, b silence) int { return a.order - b.order }
	for _, s := range slices.SortedFunc(maps.Values(r.unreachable.silent), byOrder) {
		fields := silentFields(s.Row)
		maps.DeleteFunc(fields, func(_ string, value any) bool { return value == nil })
		out = append(out, fields)
	}
	return out
}
