package builtins

import (
	"time"

	"dkvrun/builtins/report"
	"dkvrun/runtime"
)

var stepBuiltin = runtime.Builtin{
	Name: "step", Group: "Tasks", Positional: 2,
	Doc: "Runs a function as a named step: standard error says when it begins, how it ends and how long it took, and `-o json` lists it. Steps may hold steps.",
	Params: []runtime.Param{
		{Name: "name", Type: runtime.String, Required: true, Doc: "what the step does, for people"},
		funcParam("what to run"),
	},
	Returns: "what the function returns",
	Example: `step("look around", function() print(#get_store()) end)`,
	Impl:    func(c *runtime.Call) (any, error) { return of(c).step(c) },
}

func (r *Run) step(c *runtime.Call) (any, error) {
	inner := *r.Scope(c)
	s := &report.Step{Name: c.String("name"), Depth: inner.Depth}
	inner.Depth++
	r.mu.Lock()
	r.steps = append(r.steps, s)
	r.mu.Unlock()
	r.Reporter.Step(*s)
	began := time.Now()
	values, err := c.Func("f").Call(inner.Context(c.Context()), c)
	r.mu.Lock()
	s.Ended, s.OK, s.Seconds = true, err == nil, time.Since(began).Seconds()
	r.mu.Unlock()
	r.Reporter.Step(*s)
	if err != nil {
		return nil, err
	}
	return values, nil
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
