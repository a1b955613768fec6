package report

import "testing"

func TestRow_Fields(t *testing.T) {
	fields := Row{Manager: "10.0.0.11:7801", Action: "StartInstance", Result: Failed, StatusCode: 409, Code: "port_taken", Attempts: 2, DurationMS: 30}.Fields()
	for name, want := range map[string]any{
		"manager": "10.0.0.11:7801", "instance": nil, "action": "StartInstance", "result": "FAILED", "success": false, "changed": false,
		"status_code": 409, "message": "", "code": "port_taken", "hint": nil, "in_doubt": false, "attempts": 2, "duration_ms": int64(30),
	} {
		if got, there := fields[name]; !there || got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	if len(fields) != len(FieldNames) {
		t.Errorf("%d fields, %d names", len(fields), len(FieldNames))
	}
}

func TestRow_Operation(t *testing.T) {
	if got := Operation("StartInstance", "orders-1"); got != "StartInstance:orders-1" {
		t.Error(got)
	}
	if got := (Row{Action: "CreateStore"}).Operation(); got != "CreateStore" {
		t.Error(got)
	}
}
