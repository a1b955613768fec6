package engine

import (
	"context"
	"slices"
	"testing"
)

func TestReport_Values(t *testing.T) {
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

	var off []string
	sever := func(severed func(host string) bool) {
		for _, host := range []string{"a", "b"} {
			if severed(host) {
				off = append(off, host)
			}
		}
	}
	report.OnSever(sever)
	if off != nil {
		t.Errorf("severed before there was anything to: %v", off)
	}
	report.Sever(func(host string) bool { return host == "a" })
	report.OnSever(nil)
	report.Sever(func(host string) bool { return host == "b" })
	report.OnSever(sever)
	if want := []string{"a", "b"}; !slices.Equal(off, want) {
		t.Errorf("severed %v, want %v: each once, the second when the engine is up again", off, want)
	}
}
