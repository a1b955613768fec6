package builtins

import (
	"cmp"
	"errors"
	"fmt"
	"sync/atomic"

	"dkvrun/runtime"
)

var parallelBuiltin = runtime.Builtin{
	Name: "parallel", Group: "Tasks", Positional: 1,
	Doc: "Runs functions at the same time, each as a task, and waits for all of them. One that raises doesn't stop the others; its failure has to be looked at, like that of an action. " +
		"The session is each task's own: it begins as the caller's.",
	Params: []runtime.Param{
		{Name: "functions", Type: runtime.Any, Required: true, Doc: "a list of functions", Check: checkFunctions},
		{Name: "limit", Type: runtime.Integer, Min: runtime.Bound(1), Doc: "at most so many at a time; all at once where it is left out"},
	},
	Returns:    "outcomes: `ok`, `value` and `error` of each function, in their order",
	ReturnType: "outcomes",
	Example: `local checks = {}
for i, manager in ipairs(managers()) do
  checks[i] = function() return #get_store{managers = manager} end
end
for i, outcome in ipairs(parallel(checks, {limit = 10}):check()) do print(i, outcome.value) end`,
	Impl: func(c *runtime.Call) (any, error) { return of(c).parallel(c) },
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

func (r *Run) parallel(c *runtime.Call) (any, error) {
	functions := c.Value("functions").([]any)
	out := &outcomes{file: c.File, line: c.Line, all: make([]*outcome, len(functions))}
	limit := len(functions)
	if c.Has("limit") {
		limit = min(limit, c.Int("limit"))
	}
	free := make(chan struct{}, limit)
	tasks := make([]*runtime.Task, len(functions))
	inner := make([]scope, len(functions))
	var err error
	for i, f := range functions {
		select {
		case free <- struct{}{}:
		case <-c.Context().Done():
			err = c.Context().Err()
		}
		if err != nil {
			break
		}
		inner[i] = r.scope(c).forTask()
		if tasks[i], err = c.Go(inner[i].in(c.Context()), f.(*runtime.Func)); err != nil {
			break
		}
		if limit < len(functions) {
			go func() {
				<-tasks[i].Ended()
				<-free
			}()
		}
	}
	for i, t := range tasks {
		if t == nil {
			break
		}
		out.all[i] = &outcome{}
		out.all[i].values, out.all[i].err = t.Result()
	}
	mine := r.scope(c).unseen
	for i := range inner {
		if inner[i].unseen != nil { // it was begun
			mine.join(inner[i].unseen)
		}
	}
	if err = cmp.Or(err, c.Context().Err()); err != nil {
		return nil, err
	}
	if out.count() > 0 {
		mine.add(out)
	}
	return out, nil
}

// outcomes are what parallel returns.
type outcomes struct {
	file   string
	line   int
	all    []*outcome
	looked atomic.Bool
}

// outcome is what came of one function.
type outcome struct {
	values runtime.Values
	err    error
	seen   atomic.Bool
}

func (o *outcomes) count() int {
	n := 0
	for _, one := range o.all {
		if one.err != nil {
			n++
		}
	}
	return n
}

func (o *outcomes) settled() bool {
	if o.looked.Load() {
		return true
	}
	for _, one := range o.all {
		if one.err != nil && !one.seen.Load() {
			return false
		}
	}
	return true
}

func (o *outcomes) problem() *problem {
	if o.settled() {
		return nil
	}
	return &problem{
		file: o.file, line: o.line, what: o.summary() + " (" + o.first().Error() + ")",
		remedy: "look at what parallel returns (ok, failed, check()), or wrap it in assert(…)",
	}
}

func (o *outcomes) summary() string {
	return fmt.Sprintf("parallel: %d of %d functions failed", o.count(), len(o.all))
}

// first is the first failure.
func (o *outcomes) first() error {
	for _, one := range o.all {
		if one.err != nil {
			return one.err
		}
	}
	return nil
}

// check is the error that check and assert raise: the first failure, and how many there are.
func (o *outcomes) check() error {
	o.looked.Store(true)
	first := o.first()
	var e *runtime.Error
	if n := o.count(); n < 2 || !errors.As(first, &e) {
		return first
	}
	return e.Because(o.summary() + ", the first: " + e.Message)
}

// ObjectType makes outcomes visible to scripts.
func (*outcomes) ObjectType() *runtime.ObjectType { return outcomesType }

// ObjectType makes an outcome visible to scripts.
func (*outcome) ObjectType() *runtime.ObjectType { return outcomeType }

var outcomesType = &runtime.ObjectType{
	Name: "outcomes",
	Doc:  "What `parallel` returns: `#outcomes`, `outcomes[i]`, `ipairs(outcomes)`; `assert(outcomes)` raises if any failed.",
	Fields: []runtime.Field{
		{Name: "ok", Doc: "true when no function raised", Get: func(o runtime.Object) any {
			o.(*outcomes).looked.Store(true)
			return o.(*outcomes).count() == 0
		}},
		{Name: "failed", Type: "list of outcome", Doc: "the outcomes of those that raised", Get: func(o runtime.Object) any {
			o.(*outcomes).looked.Store(true)
			list := runtime.List{}
			for _, one := range o.(*outcomes).all {
				if one.err != nil {
					list.Items = append(list.Items, one)
				}
			}
			return list
		}},
	},
	Methods: []runtime.Builtin{{
		Name: "check", Doc: "Raises if any function raised; returns the outcomes otherwise.",
		Returns: "the outcomes", ReturnType: "outcomes", Example: `parallel({function() sleep(0.1) end, function() sleep(0.1) end}):check()`,
		Impl: func(c *runtime.Call) (any, error) { return c.Self, c.Self.(*outcomes).check() },
	}},
	Len:      func(o runtime.Object) int { return len(o.(*outcomes).all) },
	ItemType: "outcome",
	At:       func(o runtime.Object, i int) any { return o.(*outcomes).all[i-1] },
	String: func(o runtime.Object) string {
		all := o.(*outcomes)
		return fmt.Sprintf("outcomes of parallel: %d of %d functions succeeded", len(all.all)-all.count(), len(all.all))
	},
	Assert: func(o runtime.Object) error { return o.(*outcomes).check() },
}

var outcomeType = &runtime.ObjectType{
	Name: "outcome",
	Doc:  "What came of one of `parallel`'s functions.",
	Fields: []runtime.Field{
		{Name: "ok", Doc: "true unless it raised", Get: func(o runtime.Object) any {
			o.(*outcome).seen.Store(true)
			return o.(*outcome).err == nil
		}},
		{Name: "value", Doc: "what it returned first", Get: func(o runtime.Object) any { return o.(*outcome).values.First() }},
		{Name: "error", Doc: "what it raised, nil where it didn't", Get: func(o runtime.Object) any {
			o.(*outcome).seen.Store(true)
			return raisedValue(o.(*outcome).err)
		}},
	},
	String: func(o runtime.Object) string {
		if err := o.(*outcome).err; err != nil {
			return "failed: " + err.Error()
		}
		return "succeeded"
	},
}

// raisedValue is what a script gets of an error: the table that it raised, or the error.
func raisedValue(err error) any {
	var e *runtime.Error
	if errors.As(err, &e) {
		if v, ok := e.Raised(); ok {
			return v
		}
	}
	if err == nil {
		return nil
	}
	return err
}
