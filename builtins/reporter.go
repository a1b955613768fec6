package builtins

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
func (r Row) Operation() string { return operation(r.Action, r.Instance) }

func operation(action, instance string) string {
	if instance == "" {
		return action
	}
	return action + ":" + instance
}

// Fields is the row as scripts see it, for a document.
func (r Row) Fields() map[string]any {
	fields := map[string]any{}
	for _, f := range rowType.Fields {
		fields[f.Name] = f.Get(&resultRow{Row: r})
	}
	return fields
}
