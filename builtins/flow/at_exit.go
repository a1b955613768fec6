// Package flow declares the builtins that run functions, wait, format values and end a run.
package flow

import (
	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
)

var AtExit = runtime.Builtin{
	Name: "at_exit", Group: "Tasks", Positional: 1,
	Doc: "Registers a function to be called when the run ends, also after an error, `exit`, `--timeout` or Ctrl-C. After `--timeout`, `--max-memory` or Ctrl-C all functions together have 4 seconds. " +
		"The functions run in reverse order, each with the session that was current when it was registered.",
	Params:  []runtime.Param{funcParam("the function to call")},
	Returns: "nothing",
	Example: `at_exit(function() print("the end") end)`,
	Impl: func(c *runtime.Call) (any, error) {
		r := run.Of(c)
		inner := r.Scope(c).ForTask()
		inner.Depth = 0
		r.RootChecklist().Add(&cleanUp{inner.Checklist})
		c.AtExit(inner.Context(c.Context()), c.Func("f"))
		return runtime.Values{}, nil
	},
}

// cleanUp is the checklist of an at_exit function. It is separate, so that earlier unchecked failures do not prevent
// the function's actions.
type cleanUp struct{ checklist *run.Checklist }

func (c *cleanUp) Checked() bool                    { return false }
func (c *cleanUp) Unchecked() *run.UncheckedFailure { return c.checklist.First() }
