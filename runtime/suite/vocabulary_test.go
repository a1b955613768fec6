package suite

import (
	"slices"
	"testing"
)

func TestVocabulary_Call(t *testing.T) {
	v := NewVocabulary()
	defer v.Close()
	for _, test := range []struct {
		root, path string
		given      int
		args       []any
		on         bool
		problem    string
	}{
		{root: "assert", given: 1},
		{root: "assert", path: "are.equal", given: 2},
		{root: "assert", path: "is_not_nil"},
		{root: "assert", path: "has_no.errors", given: 1},
		{root: "assert", path: "is_not.True", given: 1},
		{root: "assert", path: "register", given: 3},
		{root: "assert", path: "spy", given: 1, on: true},
		{root: "assert", path: "message", given: 1, on: true},
		{root: "assert", path: "was.called_with"},
		{root: "assert", path: "are.eqal", given: 2, problem: "assert.are.eqal: there is no assertion eqal: did you mean equal?"},
		{root: "assert", path: "was.called_wiht", problem: "assert.was.called_wiht: there is no assertion wiht: did you mean called_with?"},
		{root: "match", path: "_"},
		{root: "assert", path: "foo", given: 1, problem: "assert.foo: there is no assertion foo"},
		{root: "assert", path: "are.equal", given: 1, problem: "assert.equal: got 1 argument, want at least 2"},
		{root: "assert", path: "is_not", given: 1, problem: "assert.is_not: it names no assertion"},
		{root: "assert", path: "store_status", given: 2, args: []any{"OrdersStore", "Running"}},
		{root: "assert", path: "store_status", given: 2, args: []any{"OrdersStore", nil}},
		{root: "assert", path: "store_status", given: 2, args: []any{"OrdersStore", "Runing"},
			problem: "assert.store_status: there is no status Runing: did you mean Running?"},
		{root: "match", path: "is_string"},
		{root: "match", path: "is_ref_matcher", given: 1},
		{root: "match", path: "is_sting", problem: "match.is_sting: there is no matcher sting: did you mean string?"},
		{root: "match", path: "near", given: 1, problem: "match.near: got 1 argument, want at least 2"},
	} {
		if on, problem := v.Call(test.root, test.path, test.given, test.args); on != test.on || problem != test.problem {
			t.Errorf("%s.%s with %d arguments: got %v, %q", test.root, test.path, test.given, on, problem)
		}
	}
	if global := v.Module("luassert.spy"); global != "spy" {
		t.Errorf("luassert.spy is %q", global)
	}
	if global := v.Module("luassert.util"); global != "" {
		t.Errorf("luassert.util is %q", global)
	}
	if names := v.Fields("mock"); !slices.Contains(names, "revert") || !slices.Contains(names, "clear") {
		t.Errorf("mock has %q", names)
	}
}

func TestVocabulary_Register(t *testing.T) {
	v := NewVocabulary()
	defer v.Close()
	said := func(path string) string {
		_, problem := v.Call("assert", path, 1, nil)
		return problem
	}
	if said("is_even") == "" {
		t.Error("even is known before it is registered")
	}
	if v.Register("assertion", "even"); said("is_even") != "" {
		t.Errorf("even is not known: %s", said("is_even"))
	}
	if problem := v.Kind("assertion") + v.Kind("modifier"); problem != "" {
		t.Error(problem)
	}
	if problem := v.Kind("asertion"); problem != "assert:register: got asertion, want assertion, matcher or modifier" {
		t.Errorf("got %q", problem)
	}
	if v.Register("assertion", ""); said("is_odd") != "" {
		t.Errorf("anything may be registered, and yet: %s", said("is_odd"))
	}
	if _, problem := v.Call("match", "is_odd", 0, nil); problem == "" {
		t.Error("an assertion has made a matcher known")
	}
}
