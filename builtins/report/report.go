// Package report defines the rows, actions and steps that a run shows, and the interface Reporter of the code that
// shows them. It imports nothing of this program.
package report

import "slices"

// Reporter shows a run's actions to a person or a program. It has to be safe for concurrent use, because tasks call it.
type Reporter interface {
	// Begin is called before the first row of an action, Row for each row as it arrives, one at a time, and End after
	// the last row.
	Begin(*Action)
	Row(*Action, Row)
	End(*Action)
	// Step is called when a step begins and once more when it has ended.
	Step(Step)
	// Notice prints additional information: where a session came from, which managers did not answer.
	Notice(text string)
	// Progress shows what a call is waiting for. The next call replaces the text; an empty text removes it.
	Progress(text string)
	// Width returns the number of columns of the terminal, or 0 without a terminal.
	Width() int
	// Redraw overwrites the last frame with a new one if standard output is a terminal. Otherwise it prints the new one
	// below.
	Redraw(frame string)
}

// Action is one call of a builtin that changes something.
type Action struct {
	// Builtin is the name that the script called.
	Builtin string
	// Managers and Operations are the names that its rows can contain, for the width of the columns.
	Managers, Operations []string
	// Connects is true for a connection, whose rows all come at its end: of managers that failed for the same reason
	// there may be one row.
	Connects bool
	Rows     []Row
}

// Step is a named part of a run.
type Step struct {
	Name string
	// Depth is the number of steps around it.
	Depth int
	// Result, one of the StepResult constants, and Seconds are set once it has ended.
	Result  string
	Seconds float64
}

// Results of a step.
const (
	StepDone        = "done"
	StepFailed      = "failed"
	StepInterrupted = "interrupted" // it was cut off, as by Ctrl-C
	StepTimedOut    = "timed out"   // it was cut off at a limit of time
)

// Row is the answer of one manager to one step of an action.
type Row struct {
	Manager  string
	Instance string
	// Action is CreateStore, StartInstance, Connect, …
	Action string
	// Result is one of the Result constants.
	Result     string
	Success    bool
	Changed    bool
	StatusCode int
	Message    string
	Code       string
	Hint       string
	// Who is the identity that a refused request was made with, as its URI, or "token"; empty without a credential.
	Who string
	// InDoubt is true if the request was sent and not answered, so that its effect is unknown.
	InDoubt    bool
	Attempts   int
	DurationMS int64
	// Index is the place of the row in its action, counted from 0: rows arrive in another order.
	Index int
}

// InOrder returns the rows in the order of their action, whatever the order in which they arrived.
func InOrder(rows []Row) []Row {
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b Row) int { return a.Index - b.Index })
	return rows
}

// Results of a row.
const (
	Success   = "SUCCESS"
	Failed    = "FAILED"
	Skipped   = "SKIPPED"
	Cancelled = "CANCELLED"
	// RolledBack: the manager voted for the operation, which was then aborted because another manager refused it.
	RolledBack = "ROLLED BACK"
	// Planned: a dry run would have done it.
	Planned = "PLANNED"
)

// Operation returns the action with its instance in the form of the table: StartInstance:orders-1.
func (r Row) Operation() string { return Operation(r.Action, r.Instance) }

// Operation returns an action with the instance that it is about, if any: StartInstance:orders-1.
func Operation(action, instance string) string {
	if instance == "" {
		return action
	}
	return action + ":" + instance
}

// FieldNames lists the fields of a row in order, under their names in scripts and documents.
var FieldNames = []string{
	"manager", "instance", "action", "result", "success", "changed", "status_code", "message", "code", "hint", "who",
	"in_doubt", "attempts", "duration_ms",
}

// Field returns the value of a field for scripts and documents. It is nil for an optional text that is empty.
func (r Row) Field(name string) any {
	switch name {
	case "manager":
		return r.Manager
	case "instance":
		return orNil(r.Instance)
	case "action":
		return r.Action
	case "result":
		return r.Result
	case "success":
		return r.Success
	case "changed":
		return r.Changed
	case "status_code":
		return r.StatusCode
	case "message":
		return r.Message
	case "code":
		return r.Code
	case "hint":
		return orNil(r.Hint)
	case "who":
		return orNil(r.Who)
	case "in_doubt":
		return r.InDoubt
	case "attempts":
		return r.Attempts
	case "duration_ms":
		return r.DurationMS
	}
	return nil
}

// Fields returns all fields of a row by name, for a document.
func (r Row) Fields() map[string]any {
	fields := make(map[string]any, len(FieldNames))
	for _, name := range FieldNames {
		fields[name] = r.Field(name)
	}
	return fields
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}
