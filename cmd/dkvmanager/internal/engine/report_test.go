package engine

import (
	"context"
	"testing"
)

func TestReport(t *testing.T) {
	report := new(Report)
	if c := report.Condition(); c.Ready {
		t.Errorf("a new report says %+v", c)
	}
	up := Condition{Ready: true, Leader: true}
	if !report.Set(up) {
		t.Error("becoming ready is no news")
	}
	if report.Set(up) {
		t.Error("staying ready is news")
	}
	if c := report.Condition(); c != up {
		t.Errorf("condition %+v", c)
	}

	if g := report.Gauges(t.Context()); g != nil {
		t.Errorf("gauges before there are any: %v", g)
	}
	report.Measure(func(context.Context) []Gauge { return []Gauge{{"Storage", "Bytes", 1}} })
	if g := report.Gauges(t.Context()); len(g) != 1 || g[0].Value != 1 {
		t.Errorf("gauges %v", g)
	}
	report.Measure(nil)
	if g := report.Gauges(t.Context()); g != nil {
		t.Errorf("gauges after the engine has gone: %v", g)
	}
}
