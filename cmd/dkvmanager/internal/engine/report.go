package engine

import (
	"context"
	"sync"
	"sync/atomic"
)

// Condition is the present condition of an instance. State describes the fields.
type Condition struct {
	Ready        bool
	Reason       string
	Leader       bool
	Learner      bool
	Bootstrapped bool
}

// Gauge is a metric that has a value and no rate.
type Gauge struct {
	// Category and Name together name the metric, for example Storage/ItemsCount.
	Category string
	Name     string
	Value    float64
}

// Report holds what a running engine reports; the instance's socket serves it. The zero value is the report
// of an instance that is not ready. Its methods may be called from any goroutine.
type Report struct {
	// Gets, Puts and Removes count the successful client operations that entered the store through this
	// instance. An operation that a gateway forwards counts at the gateway only.
	Gets, Puts, Removes atomic.Uint64

	mu        sync.Mutex
	condition Condition
	cluster   string
	gauges    func(context.Context) []Gauge
	sever     func(severed func(host string) bool)
	severed   func(host string) bool
	ends      func(reason string)
	keys      func() *Keys
}

// OnEnd sets the function that End calls.
func (r *Report) OnEnd(ends func(reason string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ends = ends
}

// End says why the process is about to end, for an engine that ends it without returning from Run.
func (r *Report) End(reason string) {
	r.mu.Lock()
	ends := r.ends
	r.mu.Unlock()
	if ends != nil {
		ends(reason)
	}
}

// Set sets the condition of the instance and reports whether it changed.
func (r *Report) Set(c Condition) (changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed = r.condition != c
	r.condition = c
	return changed
}

// Condition returns the condition that was set last.
func (r *Report) Condition() Condition {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.condition
}

// Identify sets the id of the store's cluster, as wire.Instance has it.
func (r *Report) Identify(cluster string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cluster = cluster
}

// Cluster returns the id of the store's cluster; empty while it is not known.
func (r *Report) Cluster() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cluster
}

// OnKeys sets the function that Keys calls.
func (r *Report) OnKeys(keys func() *Keys) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys = keys
}

// Keys returns what the instance trusts; nil if its ports don't speak TLS, or before they do.
func (r *Report) Keys() *Keys {
	r.mu.Lock()
	keys := r.keys
	r.mu.Unlock()
	if keys == nil {
		return nil
	}
	return keys()
}

// Measure sets the function that Gauges calls; nil when the engine has stopped.
func (r *Report) Measure(gauges func(context.Context) []Gauge) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gauges = gauges
}

// Gauges measures and returns the engine's gauges; none before the engine is up.
func (r *Report) Gauges(ctx context.Context) []Gauge {
	r.mu.Lock()
	measure := r.gauges
	r.mu.Unlock()
	if measure == nil {
		return nil
	}
	return measure(ctx)
}

// OnSever sets the function that Sever calls; nil when the engine has stopped. If Sever was called before,
// OnSever calls the function at once.
func (r *Report) OnSever(sever func(severed func(host string) bool)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sever = sever
	if sever != nil && r.severed != nil {
		sever(r.severed)
	}
}

// Sever makes the engine drop all messages to and from instances on severed hosts, and exchange messages
// with all others again. It simulates a network fault in throw-away clusters.
func (r *Report) Sever(severed func(host string) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.severed = severed
	if r.sever != nil {
		r.sever(severed)
	}
}
