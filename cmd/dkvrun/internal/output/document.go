package output

import (
	"bytes"
	"fmt"
	"io"

	"dkvrun/builtins/report"
	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/runtime"
)

// Document is the JSON document that -o json prints for a run: {ok, actions, steps, unreachable, value,
// error}.
type Document struct {
	Actions []*report.Action
	Steps   []report.Step
	// Unreachable lists the managers that did not answer the last query to them: manager, code and message of each.
	Unreachable []any
	Value       any
	Err         error // the error that the run ended with, or nil
}

// Write writes the document. A value that JSON can't represent is written as null, and Write returns an error.
func (d Document) Write(w io.Writer) error {
	actions, steps := []any{}, []any{}
	if d.Unreachable == nil {
		d.Unreachable = []any{}
	}
	for _, a := range d.Actions {
		actions = append(actions, actionDocument(a))
	}
	for _, s := range d.Steps {
		steps = append(steps, map[string]any{"name": s.Name, "ok": s.OK, "seconds": s.Seconds})
	}
	fields := map[string]any{
		"ok": exit.Status(d.Err) == exit.Done, "actions": actions, "steps": steps, "unreachable": d.Unreachable,
		"value": d.Value, "error": exit.Document(d.Err),
	}
	var document bytes.Buffer
	unfit := runtime.EncodeJSON(&document, fields)
	if unfit != nil {
		// Only the value can be impossible to encode. The document must still list the actions.
		unfit = fmt.Errorf("the value is left out: %w", unfit)
		fields["ok"], fields["value"] = false, nil
		if fields["error"] == nil {
			fields["error"] = exit.Document(unfit)
		}
		if err := runtime.EncodeJSON(&document, fields); err != nil {
			return err
		}
	}
	document.WriteByte('\n')
	if _, err := document.WriteTo(w); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return unfit
}

func actionDocument(a *report.Action) map[string]any {
	rows := []any{}
	for _, r := range a.Rows {
		rows = append(rows, r.Fields())
	}
	return map[string]any{"builtin": a.Builtin, "rows": rows}
}
