package suite

import (
	"context"
	"slices"

	"dkvrun/runtime"
)

// Words declares the globals of suites, for their documentation.
func Words() []runtime.Builtin { return (&file{}).words() }

// words declares what a suite can call to build its tree, and within a test.
func (f *file) words() []runtime.Builtin {
	name := runtime.Param{Name: "name", Type: runtime.String, Required: true, Doc: "what it is about; words that begin with `#` are tags"}
	body := runtime.Param{Name: "f", Type: runtime.Function, Doc: "what to run"}
	need := body
	need.Required = true
	around := func(h hook, doc, example string) runtime.Builtin {
		return runtime.Builtin{
			Name: string(h), Group: group, Positional: 1, Doc: doc, Params: []runtime.Param{need}, Returns: "nothing", Example: example,
			Impl: func(c *runtime.Call) (any, error) { return nil, f.around(c, h) },
		}
	}
	return []runtime.Builtin{
		around(afterEach, "Runs a function after each test of the block and of the blocks in it, also when the test failed.",
			`after_each(function() print("after") end)`),
		around(beforeEach, "Runs a function before each test of the block and of the blocks in it, the outermost block's first.",
			`before_each(function() print("before") end)`),
		{
			Name: "describe", Group: group, Positional: 2,
			Doc:     "A block of tests with a name, and with hooks of its own. Also spelt `context`, `insulate` and `expose`.",
			Params:  []runtime.Param{name, need},
			Returns: "nothing",
			Example: `describe("a store", function()
  it("has a name", function() assert.is_string("OrdersStore") end)
end)`,
			Impl: func(c *runtime.Call) (any, error) { return nil, f.describe(c) },
		},
		{
			Name: "finally", Group: group, Positional: 1,
			Doc:     "Within a test: runs a function when the test ends, in any case.",
			Params:  []runtime.Param{need},
			Returns: "nothing",
			Example: `it("cleans up", function()
  finally(function() print("cleaned up") end)
end)`,
			Impl: func(c *runtime.Call) (any, error) { return nil, f.finally(c) },
		},
		{
			Name: "it", Group: group, Positional: 2,
			Doc:     "A test. Without a function it is pending. Also spelt `spec` and `test`.",
			Params:  []runtime.Param{name, body},
			Returns: "nothing",
			Example: `it("adds up", function() assert.are.equal(4, 2 + 2) end)`,
			Impl:    func(c *runtime.Call) (any, error) { return nil, f.it(c) },
		},
		{
			Name: "pending", Group: group, Positional: 2,
			Doc: "A test that is not to run yet; within a test: ends it as pending.",
			Params: []runtime.Param{
				{Name: "name", Type: runtime.String, Default: "", Doc: "the test's name; within a test: why it is pending"}, body},
			Returns: "nothing",
			Example: `pending("survives the loss of two servers")`,
			Impl:    func(c *runtime.Call) (any, error) { return nil, f.pending(c) },
		},
		{
			Name: "randomize", Group: group, Positional: 1,
			Doc:     "Within a block: its tests and blocks run in an order that the seed decides, without `--shuffle` too; or, with false, in that of the source in any case.",
			Params:  []runtime.Param{{Name: "on", Type: runtime.Boolean, Default: true}},
			Returns: "nothing",
			Example: `describe("steps that build on each other", function()
  randomize(false)
  it("begins", function() end)
  it("ends", function() end)
end)`,
			Impl: func(c *runtime.Call) (any, error) { return nil, f.randomize(c) },
		},
		around(setup, "Runs a function before the first test of the block. Also spelt `lazy_setup` and `strict_setup`.",
			`setup(function() print("first") end)`),
		around(teardown, "Runs a function after the last test of the block, in any case. Also spelt `lazy_teardown` and `strict_teardown`.",
			`teardown(function() print("last") end)`),
	}
}

// group is the heading of the words in the reference.
const group = "Tests"

// otherSpellings are busted's second names of words.
var otherSpellings = map[string][]string{
	"describe": {"context", "insulate", "expose"},
	"it":       {"spec", "test"},
	"setup":    {"lazy_setup", "strict_setup"},
	"teardown": {"lazy_teardown", "strict_teardown"},
}

// Globals are what a suite finds beside the words. assert is a table there.
var Globals = []string{"assert", "match", "mock", "spy", "stub"}

// Modules are what a suite can require without there being a file: what suites for busted name so.
var Modules = []string{"busted", "busted.runner", "luassert", "luassert.assert", "luassert.formatters.binarystring",
	"luassert.match", "luassert.mock", "luassert.spy", "luassert.stub", "luassert.util", "say"}

// Spellings declares the words in all their spellings, for what reads suites without running them.
func Spellings() []runtime.Builtin { return (&file{}).spellings() }

func (f *file) spellings() []runtime.Builtin {
	all := f.words()
	for _, b := range slices.Clone(all) {
		for _, other := range otherSpellings[b.Name] {
			b.Name = other
			all = append(all, b)
		}
	}
	return all
}

// building refuses a word that builds the tree while tests run.
func (f *file) building(c *runtime.Call) error {
	if f.present == nil {
		err := c.Errorf(runtime.CodeUsage, "%s within a test or a hook: it belongs into a describe, or beside it", c.Name)
		return err
	}
	return nil
}

func (f *file) describe(c *runtime.Call) error {
	if err := f.building(c); err != nil {
		return err
	}
	inner := newBlock(c.String("name"), f.present)
	inner.line, inner.body = c.Line, c.Func("f")
	f.present.children = append(f.present.children, inner)
	err := f.build(inner, func() error { _, err := inner.body.Call(c.Context(), c); return err })
	if c.Context().Err() != nil {
		return err
	}
	// Bodies may rely on what hooks and tests before them do. One that raises is run again in its turn.
	if inner.late = err != nil; inner.late {
		inner.children, inner.hooks = nil, map[hook][]*runtime.Func{}
	}
	return nil
}

// build runs the body of a block, whose words then belong to it.
func (f *file) build(b *block, body func() error) error {
	outer := f.present
	f.present = b
	defer func() { f.present = outer }()
	return body()
}

func (f *file) it(c *runtime.Call) error {
	if err := f.building(c); err != nil {
		return err
	}
	f.present.children = append(f.present.children, &test{name: c.String("name"), block: f.present, line: c.Line, fn: c.Func("f")})
	return nil
}

func (f *file) around(c *runtime.Call, h hook) error {
	if err := f.building(c); err != nil {
		return err
	}
	f.present.hooks[h] = append(f.present.hooks[h], c.Func("f"))
	return nil
}

func (f *file) randomize(c *runtime.Call) error {
	if err := f.building(c); err != nil {
		return err
	}
	on := c.Bool("on")
	f.present.shuffled = &on
	return nil
}

// codePending is the code of the error that ends a test as pending.
const codePending = "pending"

func (f *file) pending(c *runtime.Call) error {
	if f.present == nil {
		return c.Errorf(codePending, "%s", c.String("name"))
	}
	f.present.children = append(f.present.children, &test{name: c.String("name"), block: f.present, line: c.Line})
	return nil
}

func (f *file) finally(c *runtime.Call) error {
	fn := c.Func("f")
	if f.running() == nil {
		return c.Errorf(runtime.CodeUsage, "finally outside of a test: after_each and teardown run after tests")
	}
	return f.AtEnd(func(ctx context.Context) error { return f.environment.Host().Invoke(ctx, fn) })
}
