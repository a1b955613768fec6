// Package run holds the state of a run: its scopes, actions, operations, planned state and results.
package run

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/fixtures"
	"dkvrun/builtins/internal/text"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/commit"
	"dkvrun/runtime/credential"
	"dkvrun/runtime/fanout"
)

// Config is the configuration of a run.
type Config struct {
	Client *fanout.Client
	// Credentials has the credentials with which Client connects to secured managers, for what an admin's key signs; nil
	// for none.
	Credentials *credential.Servers
	Reporter    report.Reporter
	Stdout      io.Writer
	// Preset lists the managers that were given by a flag, the environment or --local; Source names which of these.
	Preset []fanout.Endpoint
	Source string
	// ManagerPort is the port of managers that are given without one.
	ManagerPort int
	// Owner returns the owner of this run's operations, for people: user@host, process. It is called only for an
	// operation.
	Owner func() string
	// DryRun plans all actions and changes nothing.
	DryRun bool
	// Yes confirms remove_store in advance; AllowDown accepts managers that don't answer.
	Yes, AllowDown bool
	// Strict makes every failure raise an error at once. With KeepGoing an unchecked failure fails the run only at its
	// end.
	Strict, KeepGoing bool
	// Ask asks the user on the terminal and returns the answer, or the error of ctx. It is nil without a terminal.
	Ask func(ctx context.Context, question string) (string, error)
	// Fixtures starts clusters and runbooks for tests; nil outside of tests.
	Fixtures *fixtures.Fixtures
}

// Run is the state of one run. Tasks share it.
type Run struct {
	Config
	root Scope // of the script itself

	planned     plannedState
	inFlight    inFlight
	unreachable unreachable

	mu      sync.Mutex // guards the fields below
	actions []*report.Action
	steps   []*report.Step
}

// New returns the state of a run, for runtime.Options.App.
func New(c Config) *Run {
	r := &Run{Config: c}
	r.root = Scope{session: &holder{r.PresetSession()}, Checklist: &Checklist{}}
	return r
}

// Of returns the run that a call belongs to.
func Of(c *runtime.Call) *Run { return c.Host.App().(*Run) }

// UncheckedFailure returns the error for the first failure that the script did not check, or nil. It is called at the
// end of a run.
func (r *Run) UncheckedFailure() error { return uncheckedError(r.root.Checklist.First()) }

// PresetSession returns a session of the preset managers that is not connected yet, or nil if there are none.
func (r *Run) PresetSession() *cluster.Session {
	if len(r.Preset) == 0 {
		return nil
	}
	return cluster.LazySession(r.Preset, r.Source, r.AllowDown)
}

// beginAction records an action of the run and begins to show it.
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

// InDoubt lists the requests whose outcome is unknown because the run ended before they were answered or decided:
// "start_store on 10.0.0.11:7801".
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

// Outcomes lists the result of each action that changed something, for a run whose output was not read to its end:
// "new_store: SUCCESS on 10.0.0.11:7801, 10.0.0.12:7801".
func (r *Run) Outcomes() []string {
	var out []string
	for _, a := range r.Actions() {
		var results []string // in the order of the rows
		rows := map[string][]string{}
		changed := false
		for _, row := range report.InOrder(a.Rows) {
			if row.Action == cluster.ConnectAction {
				continue
			}
			changed = changed || row.Changed || row.InDoubt
			if rows[row.Result] == nil {
				results = append(results, row.Result)
			}
			at := row.Manager
			if row.Instance != "" {
				at = row.Instance
			}
			rows[row.Result] = append(rows[row.Result], at)
		}
		if !changed {
			continue
		}
		for i, result := range results {
			results[i] = result + " on " + text.Few(rows[result])
		}
		out = append(out, a.Builtin+": "+strings.Join(results, "; "))
	}
	return out
}

// InFlight lists the operations that are in flight, each with the command that resolves it. It may be called at any
// time.
func (r *Run) InFlight() []string { return r.inFlight.list() }

// BeginStep records and shows a step. The caller calls end with the result when the step has ended.
func (r *Run) BeginStep(name string, depth int) (end func(result string)) {
	s := &report.Step{Name: name, Depth: depth}
	r.mu.Lock()
	r.steps = append(r.steps, s)
	r.mu.Unlock()
	r.Reporter.Step(*s)
	began := time.Now()
	return func(result string) {
		r.mu.Lock()
		s.Result, s.Seconds = result, time.Since(began).Seconds()
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
