package run

import (
	"fmt"
	"sync/atomic"

	"dkvrun/builtins/report"
	"dkvrun/runtime"
)

// Results is the value that an action returns: its rows in the order of the managers or instances, not of their
// arrival.
type Results struct {
	builtin string
	file    string
	line    int
	rows    []*resultRow
	// over names what the rows are about: managers or instances.
	over string
	// consistent is View.Consistent of the store when its instances were started, stopped or restarted.
	consistent any
	// checked is set once the script has checked the results as a whole.
	checked atomic.Bool
	// retry repeats the failed part of the action.
	retry func(*runtime.Call, *Results) (*Results, error)
}

// resultRow is a row with the information whether the script has checked it.
type resultRow struct {
	report.Row
	request *Request
	checked atomic.Bool
}

// NewResults returns the results of a call, without rows. over names what the rows are about, and results:retry calls
// again.
func NewResults(c *runtime.Call, over string, again func(*runtime.Call, *Results) (*Results, error)) *Results {
	return &Results{builtin: c.Name, file: c.File, line: c.Line, over: over, retry: again}
}

// Add adds a row.
func (r *Results) Add(row report.Row) { r.rows = append(r.rows, &resultRow{Row: row}) }

// SetChecked marks all failures as checked.
func (r *Results) SetChecked() { r.checked.Store(true) }

// OK reports whether every row succeeded.
func (r *Results) OK() bool { return r.count() == 0 }

func (r *Results) count() int {
	n := 0
	for _, row := range r.rows {
		if !row.Success {
			n++
		}
	}
	return n
}

func (r *Results) isChecked() bool {
	if r.checked.Load() {
		return true
	}
	for _, row := range r.rows {
		if !row.Success && !row.checked.Load() {
			return false
		}
	}
	return true
}

func (r *Results) Checked() bool { return r.isChecked() }

func (r *Results) Unchecked() *UncheckedFailure {
	if r.isChecked() {
		return nil
	}
	return &UncheckedFailure{
		File: r.file, Line: r.line, What: r.Summary(),
		Remedy: fmt.Sprintf("look at what %s returns (ok, failed, check()), or wrap it in assert(…)", r.builtin),
	}
}

// Summary returns "start_store failed on 1 of 3 instances".
func (r *Results) Summary() string {
	return fmt.Sprintf("%s failed on %d of %d %s", r.builtin, r.count(), len(r.rows), r.over)
}

// failure returns the error that check and assert raise; nil if every row succeeded. It tells the first failure: rows
// that were skipped, cancelled or rolled back are its consequences. The error is in doubt if any row is.
func (r *Results) failure() *runtime.Error {
	var cause *resultRow
	doubt := false
	for _, row := range r.rows {
		doubt = doubt || row.InDoubt
		if !row.Success && (cause == nil || cause.Result != report.Failed && row.Result == report.Failed) {
			cause = row
		}
	}
	if cause == nil {
		return nil
	}
	at := cause.Manager
	if cause.Instance != "" {
		at = cause.Instance + " on " + at
	}
	return &runtime.Error{
		Code: cause.Code, Hint: cause.Hint, InDoubt: doubt,
		Message: fmt.Sprintf("%s: %s: %s", r.Summary(), at, cause.Message),
	}
}

// pick returns the rows that succeeded, or those that failed.
func (r *Results) pick(success bool) runtime.List {
	list := runtime.List{}
	for _, row := range r.rows {
		if row.Success == success {
			list.Items = append(list.Items, row)
		}
	}
	return list
}

// ObjectType makes results visible to scripts.
func (r *Results) ObjectType() *runtime.ObjectType { return ResultsType }

// ObjectType makes a row visible to scripts.
func (r *resultRow) ObjectType() *runtime.ObjectType { return RowType }

var ResultsType = &runtime.ObjectType{
	Name: "results",
	Doc:  "What an action returns: `#results` rows, `results[i]`, `ipairs(results)`; `assert(results)` raises if any failed.",
	Fields: []runtime.Field{
		{Name: "ok", Doc: "true when every row succeeded", Get: func(o runtime.Object) any {
			o.(*Results).checked.Store(true)
			return o.(*Results).OK()
		}},
		{Name: "failed", Type: "list of row", Doc: "the rows that did not succeed", Get: func(o runtime.Object) any {
			o.(*Results).checked.Store(true)
			return o.(*Results).pick(false)
		}},
		{Name: "succeeded", Type: "list of row", Doc: "the rows that succeeded", Get: func(o runtime.Object) any {
			return o.(*Results).pick(true)
		}},
		{Name: "consistent",
			Doc: "when instances are started, stopped or restarted: whether the store's managers agreed before, as in `store_status`; nil for other actions",
			Get: func(o runtime.Object) any { return o.(*Results).consistent }},
	},
	Methods: []runtime.Builtin{
		{
			Name: "check", Doc: "Raises if any row failed; returns the results otherwise.",
			Returns: "the results", ReturnType: "results", Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()`,
			Impl: func(c *runtime.Call) (any, error) {
				r := c.Self.(*Results)
				r.checked.Store(true)
				if failed := r.failure(); failed != nil {
					return nil, Raise(c, failed)
				}
				return r, nil
			},
		},
		{
			Name: "retry", Doc: "Repeats the failed steps, or the whole action if it was rolled back, and returns the rows of the retry.",
			Returns: "results", ReturnType: "results", Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
local started = start_store("OrdersStore")
if not started.ok then started = started:retry():check() end`,
			Impl: func(c *runtime.Call) (any, error) {
				r := c.Self.(*Results)
				r.checked.Store(true)
				return r.retry(c, r)
			},
		},
	},
	Len:      func(o runtime.Object) int { return len(o.(*Results).rows) },
	ItemType: "row",
	At:       func(o runtime.Object, i int) any { return o.(*Results).rows[i-1] },
	String: func(o runtime.Object) string {
		r := o.(*Results)
		return fmt.Sprintf("results of %s: %d of %d %s succeeded", r.builtin, len(r.rows)-r.count(), len(r.rows), r.over)
	},
	Assert: func(o runtime.Object) error {
		r := o.(*Results)
		r.checked.Store(true)
		if failed := r.failure(); failed != nil {
			return failed
		}
		return nil
	},
}

// checkedField declares a field of a row. Reading it counts as a check of the row.
func checkedField(name, doc string) runtime.Field {
	return runtime.Field{Name: name, Doc: doc, Get: func(o runtime.Object) any {
		o.(*resultRow).checked.Store(true)
		return o.(*resultRow).Field(name)
	}}
}

// field declares a field of a row. Reading it does not count as a check.
func field(name, doc string) runtime.Field {
	return runtime.Field{Name: name, Doc: doc, Get: func(o runtime.Object) any { return o.(*resultRow).Field(name) }}
}

var RowType = &runtime.ObjectType{
	Name: "row",
	Doc:  "The answer of one manager to one step of an action.",
	Fields: []runtime.Field{
		field("manager", "host:port of the manager"),
		field("instance", "the instance's name, nil if the step doesn't concern one"),
		field("action", "CreateStore, StartInstance, …"),
		checkedField("result", "SUCCESS, FAILED, SKIPPED, CANCELLED, ROLLED BACK or PLANNED"),
		checkedField("success", "true when result is SUCCESS or PLANNED"),
		field("changed", "false if there was nothing to change"),
		field("status_code", "the HTTP status, 0 if there was no answer"),
		field("message", "a sentence for a person"),
		checkedField("code", "a stable word: ok, unchanged, absent, port_taken, refused, timeout, …"),
		field("hint", "what to do about it, or nil"),
		field("who", "who a failed request was made as, over TLS: the URI of the credential's identity, or token; else nil"),
		field("in_doubt", "true if the request was sent and not answered: it may have been carried out"),
		field("attempts", "the number of times that it was sent"),
		field("duration_ms", "its duration in milliseconds"),
	},
	String: func(o runtime.Object) string {
		r := o.(*resultRow).Row
		return fmt.Sprintf("%s %s %s %s", r.Manager, r.Operation(), r.Result, r.Message)
	},
}
