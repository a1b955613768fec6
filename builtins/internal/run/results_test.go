package run

import (
	"slices"
	"testing"

	"dkvrun/builtins/report"
)

func TestRow_FieldsMatchReport(t *testing.T) {
	var names []string
	for _, f := range RowType.Fields {
		names = append(names, f.Name)
	}
	if !slices.Equal(names, report.FieldNames) {
		t.Errorf("scripts see %v, documents %v", names, report.FieldNames)
	}
}

func TestResults_FailureIsTheCause(t *testing.T) {
	r := &Results{builtin: "new_store", over: "managers"}
	r.Add(report.Row{Manager: "a:7801", Result: report.Skipped, Code: "skipped", Message: "nothing was changed"})
	if e := r.failure(); e == nil || e.Code != "skipped" {
		t.Errorf("skipped by the deadline: %v", e)
	}
	r.Add(report.Row{Manager: "b:7801", Result: report.Failed, Code: "read_only", Message: "is read-only"})
	r.Add(report.Row{Manager: "c:7801", Result: report.Failed, Code: "timeout", Message: "no answer", InDoubt: true})
	want := "new_store failed on 3 of 3 managers: b:7801: is read-only"
	if e := r.failure(); e.Code != "read_only" || e.Message != want || !e.InDoubt {
		t.Errorf("code %s, in doubt %v: %s", e.Code, e.InDoubt, e.Message)
	}
}
