package suite

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"

	"dkvrun/runtime"
)

// block is a describe, or the file itself, which has no name.
type block struct {
	name  string
	outer *block
	line  int
	body  *runtime.Func
	// late says that the body has not been run with success yet.
	late bool
	// shuffled says whether its children run in random order; nil: as --shuffle says.
	shuffled *bool
	children []any // *block and *test, in the order of the source
	hooks    map[hook][]*runtime.Func
}

// hook is what runs around tests.
type hook string

const (
	setup      hook = "setup"
	teardown   hook = "teardown"
	beforeEach hook = "before_each"
	afterEach  hook = "after_each"
)

// test is an it. Without a function it is pending.
type test struct {
	name  string
	block *block
	line  int
	fn    *runtime.Func
}

func newBlock(name string, outer *block) *block {
	return &block{name: name, outer: outer, hooks: map[hook][]*runtime.Func{}}
}

// names lists the blocks' names down to this one.
func (b *block) names() []string {
	if b.outer == nil {
		return nil
	}
	return append(b.outer.names(), b.name)
}

// path lists the blocks down to this one, the file first.
func (b *block) path() []*block {
	if b == nil {
		return nil
	}
	return append(b.outer.path(), b)
}

// tests lists all tests at any depth.
func (b *block) tests() []*test {
	var all []*test
	for _, child := range b.children {
		switch child := child.(type) {
		case *block:
			all = append(all, child.tests()...)
		case *test:
			all = append(all, child)
		}
	}
	return all
}

// lateOnes lists the blocks at any depth whose body has not been run with success.
func (b *block) lateOnes() []*block {
	var all []*block
	for _, child := range b.children {
		if inner, ok := child.(*block); ok {
			if inner.late {
				all = append(all, inner)
			}
			all = append(all, inner.lateOnes()...)
		}
	}
	return all
}

// keep drops the tests that are not wanted, and the blocks that are empty then; it counts what is left.
func (b *block) keep(wanted func(*test) bool) int {
	b.children = slices.DeleteFunc(b.children, func(child any) bool {
		switch child := child.(type) {
		case *block:
			return child.keep(wanted) == 0 && !child.late
		case *test:
			return !wanted(child)
		}
		return true
	})
	return len(b.tests())
}

// shuffle puts the children of those blocks in random order that want it: all, unless they say otherwise.
func (b *block) shuffle(random *rand.Rand, all bool) {
	if b.shuffled == nil && all || b.shuffled != nil && *b.shuffled {
		random.Shuffle(len(b.children), func(i, j int) { b.children[i], b.children[j] = b.children[j], b.children[i] })
	}
	for _, child := range b.children {
		if inner, ok := child.(*block); ok {
			inner.shuffle(random, all)
		}
	}
}

var tagPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?:^|\s)#([\w.-]+)`) })

// tags are the words of a name that begin with #, without it.
func tags(name string) []string {
	var out []string
	for _, m := range tagPattern().FindAllStringSubmatch(name, -1) {
		out = append(out, m[1])
	}
	return out
}

// all says whether all tests run.
func (s Selection) all() bool {
	return s.Name == nil && len(s.Tags) == 0 && len(s.Without) == 0 && s.Only == nil
}

// allows says whether a test runs.
func (s Selection) allows(r Result) bool {
	has := func(tag string) bool { return slices.Contains(r.Tags, strings.TrimPrefix(tag, "#")) }
	return (s.Name == nil || s.Name.MatchString(r.FullName())) &&
		(len(s.Tags) == 0 || slices.ContainsFunc(s.Tags, has)) &&
		!slices.ContainsFunc(s.Without, has) &&
		(s.Only == nil || s.Only[r.ID()])
}
