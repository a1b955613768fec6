// Package run holds the state of a run: its scopes, actions, operations, planned state and results.
package run

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/fixtures"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/commit"
	"dkvrun/runtime/fanout"
)

// Config is what a run is started with.
type Config struct {
	Client   *fanout.Client
	Reporter report.Reporter
	Stdout   io.Writer
	// Preset is the session that a flag, the environment or --local named; Source says which.
	Preset []fanout.Endpoint
	Source string
	// ManagerPort stands for managers given without one.
	ManagerPort int
	// Owner says who holds the operations of this run, for people: user@host, process. It is asked only
	// when there is one.
	Owner func() string
	// DryRun only plans: nothing is changed anywhere.
	DryRun bool
	// Yes answers remove_store's question; AllowDown accepts managers that don't answer.
	Yes, AllowDown bool
	// Strict raises at a failure itself; KeepGoing only ever fails the run at its end.
	Strict, KeepGoing bool
	// Ask puts a question on the terminal and returns the answer, or ctx's error; nil where there is no terminal.
	Ask func(ctx context.Context, question string) (string, error)
	// Fixtures are what tests can start; nil outside of tests.
	Fixtures *fixtures.Fixtures
}

// Run is the state of one run. Tasks share it.
type Run struct {
	Config
	root Scope // of the script itself

	planned  plannedState
	inFlight inFlight

	mu      sync.Mutex // guards what follows
	actions []*report.Action
	steps   []*report.Step
}

// New makes the state that runtime.Options.App carries.
func New(c Config) *Run {
	r := &Run{Config: c}
	r.root = Scope{session: &holder{r.PresetSession()}, Checklist: &Checklist{}}
	return r
}

// Of is the run that a call belongs to.
func Of(c *runtime.Call) *Run { return c.Host.App().(*Run) }

// UncheckedFailure returns, at the end of a run, the first failure that the script never looked at, or nil.
func (r *Run) UncheckedFailure() error { return overlooked(r.root.Checklist.First()) }

// PresetSession returns a session of the preset managers, not connected yet; nil where there are none.
func (r *Run) PresetSession() *cluster.Session {
	if len(r.Preset) == 0 {
		return nil
	}
	return cluster.LazySession(r.Preset, r.Source, r.AllowDown)
}

// beginAction notes an action of the run and begins to show it.
func (r *Run) beginAction(a *report.Action) {
	r.mu.Lock()
	r.actions = append(r.actions, a)
	r.mu.Unlock()
	r.Reporter.Begin(a)
}

// Actions returns every action of the run, in the order in which they began.
func (r *Run) Actions() []*report.Action {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.actions)
}

// InDoubt names what the end of the run cut off after it was sent, or before it was decided, so that
// nobody knows what became of it: "start_store on 10.0.0.11:7801".
func (r *Run) InDoubt() []string {
	var out []string
	for _, a := range r.Actions() {
		for _, row := range a.Rows {
			if row.InDoubt && (row.Result == report.Cancelled || row.Code == commit.CodeUnknownOutcome) {
				out = append(out, a.Builtin+" on "+row.Manager)
			}
		}
	}
	return out
}

// InFlight names the changes of topology that are being made just now, each with what settles it. It may be
// called at any time.
func (r *Run) InFlight() []string { return r.inFlight.list() }

// BeginStep notes and shows a step. The caller calls end when the step has ended.
func (r *Run) BeginStep(name string, depth int) (end func(ok bool)) {
	s := &report.Step{Name: name, Depth: depth}
	r.mu.Lock()
	r.steps = append(r.steps, s)
	r.mu.Unlock()
	r.Reporter.Step(*s)
	began := time.Now()
	return func(ok bool) {
		r.mu.Lock()
		s.Ended, s.OK, s.Seconds = true, ok, time.Since(began).Seconds()
		r.mu.Unlock()
		r.Reporter.Step(*s)
	}
}

// Steps returns every step of the run, in the order in which they began.
func (r *Run) Steps() []report.Step {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]report.Step, len(r.steps))
	for i, s := range r.steps {
		out[i] = *s
	}
	return out
}
