package flow

import (
	"context"
	"errors"
	"sync/atomic"

	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
)

func funcParam(doc string) runtime.Param {
	return runtime.Param{Name: "f", Type: runtime.Function, Required: true, Doc: doc}
}

var Spawn = runtime.Builtin{
	Name: "spawn", Group: "Tasks", Positional: 2,
	Doc: "Starts a task: a function that runs concurrently with the script. It is cancelled and waited for when the function that started it ends: " +
		"the script, another task, or a function that `step`, `with_managers`, `deadline`, `retry` or `wait_until` runs. If a task fails and the script did not wait for it, the run fails.",
	Params: []runtime.Param{
		funcParam("the function to run"),
		{Name: "arguments", Type: runtime.Verbatim, Rest: true, Doc: "passed to the function unchanged"},
	},
	Returns:    "a task",
	ReturnType: "task",
	Example: `local task = spawn(function(name) return #get_store(name) end, "OrdersStore")
print(task:wait())`,
	Impl: func(c *runtime.Call) (any, error) {
		r := run.Of(c)
		arguments, _ := c.Value("arguments").([]any)
		inner := r.Scope(c).ForTask()
		t, err := c.Go(inner.Context(c.Context()), c.Func("f"), arguments...)
		if err != nil {
			return nil, err
		}
		s := &spawned{task: t, file: c.File, line: c.Line, checklist: inner.Checklist}
		r.Scope(c).Checklist.Add(s)
		return s, nil
	},
}

// spawned is the object through which scripts use a task.
type spawned struct {
	task      *runtime.Task
	file      string
	line      int
	checklist *run.Checklist // of the task
	waited    atomic.Bool
}

// ObjectType makes the task visible to scripts.
func (*spawned) ObjectType() *runtime.ObjectType { return TaskType }

var TaskType = &runtime.ObjectType{
	Name: "task",
	Doc:  "A function that runs concurrently with the script, started by `spawn`.",
	Fields: []runtime.Field{
		{Name: "ended", Doc: "true once it has ended", Get: func(o runtime.Object) any { return o.(*spawned).ended() }},
	},
	Methods: []runtime.Builtin{{
		Name: "wait", Doc: "Waits for the task's end and returns what its function returned, or raises what it failed with.",
		Returns: "what the function returned",
		Example: `local task = spawn(function() sleep(0.1) return "slept" end)
print(task:wait())`,
		Impl: func(c *runtime.Call) (any, error) {
			s := c.Self.(*spawned)
			if run.Of(c).Scope(c).Checklist == s.checklist {
				return nil, c.Errorf(runtime.CodeUsage, "task:wait: a task can't wait for itself")
			}
			wait := c.BeginWait()
			defer wait.End()
			wait.For(s.task)
			select {
			case <-s.task.Ended():
			case <-wait.Broken():
				return nil, wait.Err()
			case <-c.Context().Done():
				return nil, c.Context().Err()
			}
			s.waited.Store(true)
			run.Of(c).Scope(c).Checklist.Join(s.checklist)
			values, err := s.task.Result()
			if err != nil {
				return nil, err
			}
			return values, nil
		},
	}},
}

func (s *spawned) ended() bool {
	select {
	case <-s.task.Ended():
		return true
	default:
		return false
	}
}

// over reports whether the task has ended and the script has waited for it or can't wait for it any more.
func (s *spawned) over() bool { return s.ended() && (s.waited.Load() || s.task.ScopeEnded()) }

func (s *spawned) Checked() bool {
	return s.over() && s.Unchecked() == nil && s.checklist.Empty()
}

func (s *spawned) Unchecked() *run.UncheckedFailure {
	if !s.over() {
		return nil
	}
	const remedy = "wait() for the task that spawn returns"
	_, err := s.task.Result()
	switch cut := s.checklist.Cancelled(); {
	case err == nil || s.waited.Load():
	case !isCancelled(err):
		return &run.UncheckedFailure{File: s.file, Line: s.line, What: "a task failed (" + err.Error() + ")", Remedy: remedy}
	case cut != nil:
		cut.Remedy = remedy
		return cut
	}
	return s.checklist.First()
}

// isCancelled reports whether a function ended because of a cancellation or of exit.
func isCancelled(err error) bool {
	var exit *runtime.Exit
	var e *runtime.Error
	return errors.As(err, &exit) || errors.Is(err, context.Canceled) ||
		errors.As(err, &e) && e.Code == runtime.CodeCancelled
}
