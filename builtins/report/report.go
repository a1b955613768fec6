// Package report is what a run shows of its actions: rows, actions, steps, and the interface of whoever shows
// them. It imports nothing of this program.
package report

// Reporter shows a run's actions to a person or to a program. Tasks call it at the same time.
type Reporter interface {
	// Begin is called before the first row of an action, Row as each arrives, one at a time, and End
	// after the last.
	Begin(*Action)
	Row(*Action, Row)
	End(*Action)
	// Step is called when a step begins and once more when it has ended.
	Step(Step)
	// Notice says something on the side: where a session came from, who did not answer.
	Notice(text string)
	// Progress shows what a wait is about; the next call replaces it and an empty text takes it away.
	Progress(text string)
	// Width is the terminal's number of columns, 0 where there is none.
	Width() int
	// Redraw shows a picture in place of the last one on a terminal, below it elsewhere.
	Redraw(picture string)
}

// Action is one call that changes something, as it is shown.
type Action struct {
	// Builtin is the name that the script called.
	Builtin string
	// Managers and Operations are all that its rows can name, for the width of the columns.
	Managers, Operations []string
	Rows                 []Row
}

// Step is a named part of a run.
type Step struct {
	Name string
	// Depth is how many steps it is in.
	Depth int
	// Ended, OK and Seconds are set once it has ended.
	Ended, OK bool
	Seconds   float64
}

// Row is what one manager answered about one step of an action.
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
	// InDoubt says that the request was sent and no answer came: what it did isn't known.
	InDoubt    bool
	Attempts   int
	DurationMS int64
}

// Results of a row.
const (
	Success   = "SUCCESS"
	Failed    = "FAILED"
	Skipped   = "SKIPPED"
	Cancelled = "CANCELLED"
	// RolledBack was voted for and undone, because another manager could not take it.
	RolledBack = "ROLLED BACK"
	// Planned would be done: a dry run.
	Planned = "PLANNED"
)

// Operation is the action with its instance, as the table shows it: StartInstance:orders-1.
func (r Row) Operation() string { return Operation(r.Action, r.Instance) }

// Operation is an action with the instance that it is about, where there is one: StartInstance:orders-1.
func Operation(action, instance string) string {
	if instance == "" {
		return action
	}
	return action + ":" + instance
}

// FieldNames are the fields of a row as scripts and documents name them, in their order.
var FieldNames = []string{
	"manager", "instance", "action", "result", "success", "changed", "status_code", "message", "code", "hint",
	"in_doubt", "attempts", "duration_ms",
}

// Field returns the value of a field as scripts and documents see it: nil for text that is empty by nature.
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
