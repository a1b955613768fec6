// Package builtins is what scripts can call: sessions, stores, topologies, queries, data. Each file
// holds one noun; each builtin is one literal, and All lists them.
//
// Builtins talk to managers through runtime/fanout and to people through a Reporter. They never touch
// the Lua state: that is runtime's.
package builtins

import (
	"fmt"
	"io"

	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
)

// Config is what a run is started with.
type Config struct {
	Client   *fanout.Client
	Reporter Reporter
	Stdout   io.Writer
	// Preset is the session that a flag, the environment or --local named; Source says which.
	Preset []string
	Source string
	// ManagerPort stands for managers given without one.
	ManagerPort int
	// Yes answers remove_store's question; AllowDown accepts managers that don't answer.
	Yes, AllowDown bool
	// Strict raises at a failure itself; KeepGoing only ever fails the run at its end.
	Strict, KeepGoing bool
	// Ask puts a question on the terminal and returns the answer; nil where there is no terminal.
	Ask func(question string) (string, error)
}

// Run is the state of one run: its session and the failures that nothing has looked at yet.
type Run struct {
	Config
	session *session
	unseen  unseen
	// actions counts what has been done, for the message of an interrupted run.
	actions []*Action
}

// NewRun makes the state that runtime.Options.App carries.
func NewRun(c Config) *Run { return &Run{Config: c} }

// of is the run that a call belongs to.
func of(c *runtime.Call) *Run { return c.Host.App().(*Run) }

// Overlooked returns, at the end of a run, the first failure that the script never looked at, or nil.
func (r *Run) Overlooked() error {
	if res := r.unseen.first(); res != nil {
		return &runtime.Error{
			File: res.file, Line: res.line, Code: "overlooked",
			Message: res.summary() + ", and nothing looked at it",
			Hint:    fmt.Sprintf("look at what %s returns (ok, failed, check()), or wrap it in assert(…)", res.builtin),
		}
	}
	return nil
}

// Actions returns every action of the run, in the order in which they began.
func (r *Run) Actions() []*Action { return r.actions }
