package suite

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"testing"
)

func TestTags_OfNames(t *testing.T) {
	for name, want := range map[string][]string{
		"plain":                 nil,
		"#slow":                 {"slow"},
		"starts #slow #net-1 x": {"slow", "net-1"},
		"issue#7 is no tag":     nil,
		"a # alone":             nil,
		"#größe #a#b, #日本":      {"größe", "a", "b", "日本"},
		"##a #b# #-":            {"b", "-"},
	} {
		if got := tags(name); !slices.Equal(got, want) {
			t.Errorf("%q has the tags %q, want %q", name, got, want)
		}
	}
}

func TestSelection_Allows(t *testing.T) {
	r := Result{File: "a_test.lua", Blocks: []string{"orders #slow"}, Name: "are kept", Tags: []string{"slow"}}
	for _, test := range []struct {
		name     string
		selected Selection
		want     bool
	}{
		{"all", Selection{}, true},
		{"name across blocks", Selection{Name: regexp.MustCompile("orders.*kept$")}, true},
		{"other name", Selection{Name: regexp.MustCompile("^kept")}, false},
		{"tag", Selection{Tags: []string{"net", "slow"}}, true},
		{"tag with its mark", Selection{Tags: []string{"#slow"}}, true},
		{"other tag", Selection{Tags: []string{"net"}}, false},
		{"excluded", Selection{Tags: []string{"slow"}, Without: []string{"#slow"}}, false},
		{"failed before", Selection{Only: map[string]bool{"a_test.lua\torders #slow are kept": true}}, true},
		{"nothing failed before", Selection{Only: map[string]bool{}}, false},
	} {
		if got := test.selected.allows(r); got != test.want {
			t.Errorf("%s: %t", test.name, got)
		}
	}
}

func TestBlock_Keep(t *testing.T) {
	root := newBlock("", nil)
	empty, late, full := newBlock("empty", root), newBlock("late", root), newBlock("full", root)
	late.late = true
	full.children = []any{&test{name: "one", block: full}, &test{name: "two", block: full}}
	root.children = []any{empty, late, full}
	if n := root.keep(func(t *test) bool { return t.name == "two" }); n != 1 {
		t.Errorf("%d tests are kept", n)
	}
	if len(root.children) != 2 || root.children[0] != late || len(full.children) != 1 {
		t.Errorf("kept: %v", root.children)
	}
	if got := root.unbuiltBlocks(); len(got) != 1 || got[0] != late {
		t.Errorf("late: %v", got)
	}
}

// The field shuffled of a block has precedence over --shuffle.
func TestBlock_Shuffle(t *testing.T) {
	yes, no := true, false
	var tests [20]test
	for _, test := range []struct {
		name     string
		all      bool
		shuffled *bool
		want     bool
	}{
		{"neither", false, nil, false},
		{"all", true, nil, true},
		{"the block", false, &yes, true},
		{"all but the block", true, &no, false},
	} {
		root := newBlock("", nil)
		root.shuffled = &no
		inner := newBlock("inner", root)
		inner.shuffled = test.shuffled
		root.children = []any{inner}
		for i := range tests {
			inner.children = append(inner.children, &tests[i])
		}
		root.shuffle(rand.New(rand.NewPCG(1, 2)), test.all)
		moved := false
		for i := range tests {
			moved = moved || inner.children[i] != &tests[i]
		}
		if moved != test.want {
			t.Errorf("%s: shuffled %t", test.name, moved)
		}
	}
}
