package flow

import (
	"cmp"
	"context"
	"fmt"

	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
)

var Parallel = runtime.Builtin{
	Name: "parallel", Group: "Tasks", Positional: 1,
	Doc: "Runs functions at the same time, each as a task, and waits for all of them. A function that raises doesn't stop the others; the script has to check its failure, like that of an action. " +
		"Each task starts with the caller's session and can replace it for itself.",
	Params: []runtime.Param{
		{Name: "functions", Type: runtime.Any, Required: true, Doc: "a list of functions", Check: checkFunctions},
		{Name: "limit", Type: runtime.Integer, Min: runtime.Bound(1), Doc: "the largest number at a time; without it, all at once"},
	},
	Returns:    "outcomes: `ok`, `value` and `error` of each function, in their order",
	ReturnType: "outcomes",
	Example: `local checks = {}
for i, manager in ipairs(managers()) do
  checks[i] = function() return #get_store{managers = manager} end
end
for i, outcome in ipairs(parallel(checks, {limit = 10}):check()) do print(i, outcome.value) end`,
	Impl: parallel,
}

func checkFunctions(v any) error {
	list, ok := v.([]any)
	if !ok {
		return fmt.Errorf("want a list of functions: parallel({f, g}, {limit = 2})")
	}
	for i, f := range list {
		if _, ok := f.(*runtime.Func); !ok {
			return fmt.Errorf("item %d: want a function", i+1)
		}
	}
	return nil
}

func parallel(c *runtime.Call) (any, error) {
	r := run.Of(c)
	functions := c.Value("functions").([]any)
	limit := len(functions)
	if c.Has("limit") {
		limit = min(limit, c.Int("limit"))
	}
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	wait := c.BeginWait()
	defer wait.End()
	running, err := beginAll(r, ctx, c, functions, limit, wait)
	err = cmp.Or(err, awaitAll(running, wait))
	if err != nil {
		cancel()
	}
	out := &outcomes{file: c.File, line: c.Line, all: make([]*outcome, len(running))}
	mine := r.Scope(c).Checklist
	for i, b := range running {
		out.all[i] = &outcome{}
		out.all[i].values, out.all[i].err = b.task.Result()
		mine.Join(b.checklist)
	}
	if err := cmp.Or(err, c.Context().Err()); err != nil {
		return nil, err
	}
	if out.count() > 0 {
		mine.Add(out)
	}
	return out, nil
}

// runningTask is a running task with its checklist.
type runningTask struct {
	task      *runtime.Task
	checklist *run.Checklist
}

// beginAll starts a task for each function, at most limit at a time.
func beginAll(r *run.Run, ctx context.Context, c *runtime.Call, functions []any, limit int,
	wait *runtime.Wait) ([]runningTask, error) {
	free := make(chan struct{}, limit)
	all := make([]runningTask, 0, len(functions))
	for _, f := range functions {
		select {
		case free <- struct{}{}:
		case <-wait.Broken():
			return all, wait.Err()
		case <-ctx.Done():
			return all, ctx.Err()
		}
		inner := r.Scope(c).ForTask()
		task, err := c.Go(inner.Context(ctx), f.(*runtime.Func))
		if err != nil {
			return all, err
		}
		all = append(all, runningTask{task, inner.Checklist})
		wait.For(task)
		if limit < len(functions) {
			go func() {
				<-task.Ended()
				<-free
			}()
		}
	}
	return all, nil
}

// awaitAll waits until all tasks have ended. It returns an error if they can't.
func awaitAll(all []runningTask, wait *runtime.Wait) error {
	for _, b := range all {
		select {
		case <-b.task.Ended():
		case <-wait.Broken():
			return wait.Err()
		}
	}
	return nil
}
