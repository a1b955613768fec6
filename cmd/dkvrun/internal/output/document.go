package output

import (
	"bytes"
	"fmt"
	"io"

	"dkvrun/builtins/report"
	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/runtime"
)

// Document is the one JSON document of a run: {ok, actions, steps, value, error}.
type Document struct {
	Actions []*report.Action
	Steps   []report.Step
	Value   any
	Err     error // what the run ended with
}

// Write writes the document. A value that has no form in JSON is null there, and an error.
func (d Document) Write(w io.Writer) error {
	actions, steps := []any{}, []any{}
	for _, a := range d.Actions {
		actions = append(actions, actionDocument(a))
	}
	for _, s := range d.Steps {
		steps = append(steps, map[string]any{"name": s.Name, "ok": s.OK, "seconds": s.Seconds})
	}
	fields := map[string]any{
		"ok": exit.Status(d.Err) == exit.Done, "actions": actions, "steps": steps, "value": d.Value, "error": exit.Document(d.Err),
	}
	var document bytes.Buffer
	unfit := runtime.EncodeJSON(&document, fields)
	if unfit != nil {
		// Only the value can be at fault; what was done has to be told all the same.
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
