package process

import (
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

func TestHistory_Rates(t *testing.T) {
	start := time.Now()
	report := new(engine.Report)
	h := newHistory(report, start)
	at := func(sec int) time.Time { return start.Add(time.Duration(sec) * time.Second) }
	want := func(window time.Duration, sec int, total uint64, rate float64) {
		t.Helper()
		got := h.rates(window, at(sec))[1]
		if got.name != "Put" || got.total != total || got.rate != rate {
			t.Errorf("over %v at %d s: %+v, want total %d and rate %v", window, sec, got, total, rate)
		}
	}

	want(5*time.Second, 0, 0, 0)
	report.Puts.Add(10)
	want(5*time.Second, 2, 10, 5) // from the oldest sample on

	// 10 requests a second for 100 seconds, then none.
	for sec := 2; sec <= 100; sec++ {
		report.Puts.Add(10)
		h.add(h.now(at(sec)))
	}
	want(time.Second, 100, 1000, 10)
	want(maxWindow, 100, 1000, 10)
	want(2*time.Second, 101, 1000, 5)
	want(maxWindow, 130, 1000, 5)
	if n := len(h.samples); n > 62 {
		t.Errorf("%d samples are kept", n)
	}
}
