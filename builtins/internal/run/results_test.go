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
