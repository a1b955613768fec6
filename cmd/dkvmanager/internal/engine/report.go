package engine

import (
	"context"
	"sync"
	"sync/atomic"
)

// Condition is how an instance is at the moment. Its fields are those of State.
type Condition struct {
	Ready        bool
	Reason       string
	Leader       bool
	Learner      bool
	Bootstrapped bool
}

// Gauge is a figure that stands for itself: it has no rate.
type Gauge struct {
	// Category and Name as in Storage/ItemsCount.
	Category string
	Name     string
	Value    float64
}

// Report is what a running engine says of itself; the instance's socket answers from it. Its zero
// value is an instance that is not ready. It may be used from any number of goroutines.
type Report struct {
	// Gets, Puts and Removes count the client operations that this instance took and that succeeded.
	// An operation counts where it entered the store, and nowhere else.
	Gets, Puts, Removes atomic.Uint64

	mu        sync.Mutex
	condition Condition
	gauges    func(context.Context) []Gauge
	sever     func(severed func(host string) bool)
	severed   func(host string) bool
}

// Set says how the instance is now and whether that is news.
func (r *Report) Set(c Condition) (changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed = r.condition != c
	r.condition = c
	return changed
}

// Condition is what was set last.
func (r *Report) Condition() Condition {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.condition
}

// Measure takes the function that Gauges calls; nil when there is nothing to measure any more.
func (r *Report) Measure(gauges func(context.Context) []Gauge) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gauges = gauges
}

// Gauges measures now; none before the engine is up.
func (r *Report) Gauges(ctx context.Context) []Gauge {
	r.mu.Lock()
	measure := r.gauges
	r.mu.Unlock()
	if measure == nil {
		return nil
	}
	return measure(ctx)
}

// OnSever takes the function that Sever calls; nil when there are no connections any more. Where somebody
// is severed already it is called at once.
func (r *Report) OnSever(sever func(severed func(host string) bool)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sever = sever
	if sever != nil && r.severed != nil {
		sever(r.severed)
	}
}

// Sever has the engine keep from all messages to and from the other instances on servers that are severed,
// and take up again those with all others.
func (r *Report) Sever(severed func(host string) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.severed = severed
	if r.sever != nil {
		r.sever(severed)
	}
}
