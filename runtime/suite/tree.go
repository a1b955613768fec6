package suite

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"

	"dkvrun/runtime"
)

// block is a describe, or the file, which has no name.
type block struct {
	name  string
	outer *block
	line  int
	body  *runtime.Func
	// late is true until the body has run without an error.
	late bool
	// shuffled is whether its children run in random order; nil means that --shuffle decides.
	shuffled *bool
	children []any // *block or *test, in the order of the source
	hooks    map[hook][]*runtime.Func
}

// hook is the kind of a function that runs before or after tests.
type hook string

const (
	setup      hook = "setup"
	teardown   hook = "teardown"
	beforeEach hook = "before_each"
	afterEach  hook = "after_each"
)

// test is an it. Without a function, it is pending.
type test struct {
	name  string
	block *block
	line  int
	fn    *runtime.Func
}

func newBlock(name string, outer *block) *block {
	return &block{name: name, outer: outer, hooks: map[hook][]*runtime.Func{}}
}

// names returns the names of the blocks from the outermost to b, without the file.
func (b *block) names() []string {
	if b.outer == nil {
		return nil
	}
	return append(b.outer.names(), b.name)
}

// path returns the blocks from the file to b.
func (b *block) path() []*block {
	if b == nil {
		return nil
	}
	return append(b.outer.path(), b)
}

// tests returns all tests at any depth.
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

// unbuiltBlocks returns the blocks, at any depth, whose body has not yet run without an error.
func (b *block) unbuiltBlocks() []*block {
	var all []*block
	for _, child := range b.children {
		if inner, ok := child.(*block); ok {
			if inner.late {
				all = append(all, inner)
			}
			all = append(all, inner.unbuiltBlocks()...)
		}
	}
	return all
}

// keep removes the tests that are not wanted, and blocks without tests. It returns how many tests are left.
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

// shuffle shuffles the children of b and of the blocks in it. It skips a block whose field shuffled is false, and one
// whose shuffled is nil unless all is true.
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

// tagPattern matches a word of tags. A tag has letters and digits of any language, as in busted.
var tagPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?:^|\s)((?:#[\pL\pM\pN_.-]+)+)`) })

// tags returns the tags in a name, without the # that each begins with: those of "#a#b #größe" are a, b and größe.
func tags(name string) []string {
	var out []string
	for _, m := range tagPattern().FindAllStringSubmatch(name, -1) {
		out = append(out, strings.Split(m[1], "#")[1:]...)
	}
	return out
}

// all reports whether all tests are selected.
func (s Selection) all() bool {
	return s.Name == nil && len(s.Tags) == 0 && len(s.Without) == 0 && s.Only == nil
}

// allows reports whether a test is selected.
func (s Selection) allows(r Result) bool {
	has := func(tag string) bool { return slices.Contains(r.Tags, strings.TrimPrefix(tag, "#")) }
	return (s.Name == nil || s.Name.MatchString(r.FullName())) &&
		(len(s.Tags) == 0 || slices.ContainsFunc(s.Tags, has)) &&
		!slices.ContainsFunc(s.Without, has) &&
		(s.Only == nil || s.Only[r.ID()])
}
