package main

import (
	"bytes"
	"fmt"
	"io"

	"dkvrun/builtins/report"
	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/runtime"
)

// writeDocument writes the one JSON document of a run: {ok, actions, steps, value, error}. A value that
// has no form in JSON is null there, and an error.
func writeDocument(w io.Writer, r *runner, values []any, err error) error {
	actions := []any{}
	if r.app != nil {
		for _, a := range r.app.Actions() {
			actions = append(actions, actionDocument(a))
		}
	}
	var value any
	steps := []any{}
	if r.app != nil {
		for _, s := range r.app.Steps() {
			steps = append(steps, map[string]any{"name": s.Name, "ok": s.OK, "seconds": s.Seconds})
		}
	}
	if len(values) > 0 {
		value = values[0]
	}
	fields := map[string]any{
		"ok": exit.Status(err) == exit.Done, "actions": actions, "steps": steps, "value": value, "error": exit.Document(err),
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
