package process

import (
	"context"
	"sync"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/wire"
)

// Limits of the window for rates, and the interval of the samples.
const (
	minWindow = time.Second
	maxWindow = 60 * time.Second
	interval  = time.Second
)

// sample holds the counters at one time.
type sample struct {
	at     time.Time
	counts [3]uint64
}

// operations names the counters of a sample.
var operations = [3]string{"Get", "Put", "Remove"}

// history keeps a sample a second for the longest window.
type history struct {
	report *engine.Report

	mu      sync.Mutex
	samples []sample // oldest first, never empty
}

func newHistory(report *engine.Report, now time.Time) *history {
	return &history{report: report, samples: []sample{{at: now}}}
}

func (h *history) run(ctx context.Context) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			h.add(h.now(now))
		}
	}
}

func (h *history) now(at time.Time) sample {
	return sample{at, [3]uint64{h.report.Gets.Load(), h.report.Puts.Load(), h.report.Removes.Load()}}
}

func (h *history) add(s sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.samples = append(h.samples, s)
	// One sample older than the longest window is kept: the first operations in the window are counted from it.
	for len(h.samples) > 2 && s.at.Sub(h.samples[1].at) >= maxWindow {
		h.samples = h.samples[1:]
	}
}

// count is one operation's total since the start and its rate per second over a window.
type count struct {
	name  string
	total uint64
	rate  float64
}

// rates returns the counts over window, or since the start if that is shorter.
func (h *history) rates(window time.Duration, at time.Time) []count {
	last := h.now(at)
	h.mu.Lock()
	first := h.samples[0]
	for _, s := range h.samples {
		if at.Sub(s.at) >= window {
			first = s
		}
	}
	h.mu.Unlock()

	elapsed := last.at.Sub(first.at).Seconds()
	counts := make([]count, len(operations))
	for i, name := range operations {
		counts[i] = count{name: name, total: last.counts[i]}
		if elapsed > 0 {
			counts[i].rate = float64(last.counts[i]-first.counts[i]) / elapsed
		}
	}
	return counts
}

func metrics(spec engine.Spec, counts []count, gauges []engine.Gauge) []wire.Metric {
	out := make([]wire.Metric, 0, len(counts)+len(gauges))
	for _, c := range counts {
		out = append(out, wire.Metric{Store: spec.Store, Instance: spec.Instance,
			Category: "Requests", Name: c.name, Rate: &c.rate, Total: float64(c.total)})
	}
	for _, g := range gauges {
		out = append(out, wire.Metric{Store: spec.Store, Instance: spec.Instance,
			Category: g.Category, Name: g.Name, Total: g.Value})
	}
	return out
}
