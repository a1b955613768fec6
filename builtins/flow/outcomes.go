package flow

import (
	"errors"
	"fmt"
	"sync/atomic"

	"dkvrun/builtins/internal/run"
	"dkvrun/runtime"
)

// outcomes is the result of parallel.
type outcomes struct {
	file    string
	line    int
	all     []*outcome
	checked atomic.Bool
}

// outcome is the result of one function.
type outcome struct {
	values  runtime.Values
	err     error
	checked atomic.Bool
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

func (o *outcomes) Checked() bool {
	if o.checked.Load() {
		return true
	}
	for _, one := range o.all {
		if one.err != nil && !one.checked.Load() {
			return false
		}
	}
	return true
}

func (o *outcomes) Unchecked() *run.UncheckedFailure {
	if o.Checked() {
		return nil
	}
	return &run.UncheckedFailure{
		File: o.file, Line: o.line, What: o.summary() + " (" + o.first().Error() + ")",
		Remedy: "look at what parallel returns (ok, failed, check()), or wrap it in assert(…)",
	}
}

func (o *outcomes) summary() string {
	return fmt.Sprintf("parallel: %d of %d functions failed", o.count(), len(o.all))
}

// first returns the first failure.
func (o *outcomes) first() error {
	for _, one := range o.all {
		if one.err != nil {
			return one.err
		}
	}
	return nil
}

// check returns the error that check and assert raise: the first failure and the number of failures.
func (o *outcomes) check() error {
	o.checked.Store(true)
	first := o.first()
	var e *runtime.Error
	if n := o.count(); n < 2 || !errors.As(first, &e) {
		return first
	}
	return e.Because(o.summary() + ", the first: " + e.Message)
}

// ObjectType makes outcomes visible to scripts.
func (*outcomes) ObjectType() *runtime.ObjectType { return OutcomesType }

// ObjectType makes an outcome visible to scripts.
func (*outcome) ObjectType() *runtime.ObjectType { return OutcomeType }

var OutcomesType = &runtime.ObjectType{
	Name: "outcomes",
	Doc:  "What `parallel` returns: `#outcomes`, `outcomes[i]`, `ipairs(outcomes)`; `assert(outcomes)` raises if any failed.",
	Fields: []runtime.Field{
		{Name: "ok", Doc: "true when no function raised", Get: func(o runtime.Object) any {
			o.(*outcomes).checked.Store(true)
			return o.(*outcomes).count() == 0
		}},
		{Name: "failed", Type: "list of outcome", Doc: "the outcomes of the functions that raised", Get: func(o runtime.Object) any {
			o.(*outcomes).checked.Store(true)
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

var OutcomeType = &runtime.ObjectType{
	Name: "outcome",
	Doc:  "The result of one of `parallel`'s functions.",
	Fields: []runtime.Field{
		{Name: "ok", Doc: "true unless it raised", Get: func(o runtime.Object) any {
			o.(*outcome).checked.Store(true)
			return o.(*outcome).err == nil
		}},
		{Name: "value", Doc: "its first result", Get: func(o runtime.Object) any { return o.(*outcome).values.First() }},
		{Name: "error", Doc: "the error that it raised, or nil", Get: func(o runtime.Object) any {
			o.(*outcome).checked.Store(true)
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

// raisedValue returns an error in the form for scripts: the raised value, or the error.
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
