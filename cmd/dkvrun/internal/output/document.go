package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"dkvrun/builtins/report"
	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/runtime"
	"dkvrun/runtime/printable"
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
		steps = append(steps, map[string]any{
			"name": validText(s.Name), "ok": s.Result == report.StepDone, "result": orNull(s.Result), "seconds": s.Seconds,
		})
	}
	var value, document bytes.Buffer
	unfit := runtime.EncodeJSON(&value, d.Value)
	if unfit != nil {
		unfit = fmt.Errorf("the value is left out: %w", unfit)
		value.Reset()
		value.WriteString("null")
	}
	failed := d.Err
	if failed == nil {
		failed = unfit
	}
	fields := map[string]any{
		"ok": unfit == nil && exit.Status(failed) == exit.Done, "actions": actions, "steps": steps, "unreachable": d.Unreachable,
		"value": json.RawMessage(value.Bytes()), "error": errorDocument(failed),
	}
	if err := runtime.EncodeJSON(&document, fields); err != nil {
		return err
	}
	document.WriteByte('\n')
	if _, err := w.Write(printable.JSON(document.Bytes())); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return unfit
}

// orNull returns a text, or nil for the result of a step that has not ended.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// errorDocument returns the "error" of the document.
func errorDocument(err error) any {
	document, ok := exit.Document(err).(map[string]any)
	if !ok {
		return nil
	}
	for name, v := range document {
		if text, ok := v.(string); ok {
			document[name] = validText(text)
		}
	}
	return document
}

// validText returns text for people as JSON can hold it: bytes that are not UTF-8 become escapes such as \xff.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[i])
		} else {
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}

func actionDocument(a *report.Action) map[string]any {
	rows := []any{}
	for _, r := range report.InOrder(a.Rows) {
		rows = append(rows, r.Fields())
	}
	return map[string]any{"builtin": a.Builtin, "rows": rows}
}
