package suite

import (
	"context"
	"slices"

	"dkvrun/runtime"
)

// Words returns the declarations of the globals of suites, for their documentation.
func Words() []runtime.Builtin { return (&file{}).words() }

// words returns the declarations of the globals that build the tree, and of those for tests.
func (f *file) words() []runtime.Builtin {
	name := runtime.Param{Name: "name", Type: runtime.String, Required: true, Doc: "the name; words that begin with `#` are tags"}
	body := runtime.Param{Name: "f", Type: runtime.Function, Doc: "the function to run"}
	need := body
	need.Required = true
	around := func(h hook, doc, example string) runtime.Builtin {
		return runtime.Builtin{
			Name: string(h), Group: group, Positional: 1, Doc: doc, Params: []runtime.Param{need}, Returns: "nothing", Example: example,
			Impl: func(c *runtime.Call) (any, error) { return nil, f.around(c, h) },
		}
	}
	return []runtime.Builtin{
		around(afterEach, "Runs a function after each test of the block and of the blocks in it, even if the test failed.",
			`after_each(function() print("after") end)`),
		around(beforeEach, "Runs a function before each test of the block and of the blocks in it, the outermost block's first.",
			`before_each(function() print("before") end)`),
		{
			Name: "describe", Group: group, Positional: 2,
			Doc:     "Declares a block of tests, with its own name and hooks. Aliases: `context`, `insulate` and `expose`.",
			Params:  []runtime.Param{name, need},
			Returns: "nothing",
			Example: `describe("a store", function()
  it("has a name", function() assert.is_string("OrdersStore") end)
end)`,
			Impl: func(c *runtime.Call) (any, error) { return nil, f.describe(c) },
		},
		{
			Name: "finally", Group: group, Positional: 1,
			Doc:     "Runs a function when the test ends, in any case. For use in tests.",
			Params:  []runtime.Param{need},
			Returns: "nothing",
			Example: `it("cleans up", function()
  finally(function() print("cleaned up") end)
end)`,
			Impl: func(c *runtime.Call) (any, error) { return nil, f.finally(c) },
		},
		{
			Name: "it", Group: group, Positional: 2,
			Doc:     "Declares a test. Without a function, the test is pending. Aliases: `spec` and `test`.",
			Params:  []runtime.Param{name, body},
			Returns: "nothing",
			Example: `it("adds up", function() assert.are.equal(4, 2 + 2) end)`,
			Impl:    func(c *runtime.Call) (any, error) { return nil, f.it(c) },
		},
		{
			Name: "pending", Group: group, Positional: 2,
			Doc: "Declares a test that does not run yet. In a test, ends the test as pending.",
			Params: []runtime.Param{
				{Name: "name", Type: runtime.String, Default: "", Doc: "the test's name; in a test, why it is pending"}, body},
			Returns: "nothing",
			Example: `pending("survives the loss of two servers")`,
			Impl:    func(c *runtime.Call) (any, error) { return nil, f.pending(c) },
		},
		{
			Name: "randomize", Group: group, Positional: 1,
			Doc:     "Runs the tests and blocks of a block in random order, even without `--shuffle`; with false, in the order of the source, even with `--shuffle`. The seed decides the random order.",
			Params:  []runtime.Param{{Name: "on", Type: runtime.Boolean, Default: true}},
			Returns: "nothing",
			Example: `describe("steps that build on each other", function()
  randomize(false)
  it("begins", function() end)
  it("ends", function() end)
end)`,
			Impl: func(c *runtime.Call) (any, error) { return nil, f.randomize(c) },
		},
		around(setup, "Runs a function before the first test of the block. Aliases: `lazy_setup` and `strict_setup`.",
			`setup(function() print("first") end)`),
		around(teardown, "Runs a function after the last test of the block, in any case. Aliases: `lazy_teardown` and `strict_teardown`.",
			`teardown(function() print("last") end)`),
	}
}

// group is the heading of these globals in the reference.
const group = "Tests"

// otherSpellings are busted's aliases.
var otherSpellings = map[string][]string{
	"describe": {"context", "insulate", "expose"},
	"it":       {"spec", "test"},
	"setup":    {"lazy_setup", "strict_setup"},
	"teardown": {"lazy_teardown", "strict_teardown"},
}

// Globals are further globals of suites. assert is a table in suites.
var Globals = []string{"assert", "match", "mock", "spy", "stub"}

// Modules are the modules that a suite can require without a file, because suites for busted require them.
var Modules = []string{"busted", "busted.runner", "luassert", "luassert.assert", "luassert.formatters.binarystring",
	"luassert.match", "luassert.mock", "luassert.spy", "luassert.stub", "luassert.util", "say"}

// Spellings returns the declarations of Words under all their names, for tools that read suites without running them.
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

// mustBuild returns an error if tests run already.
func (f *file) mustBuild(c *runtime.Call) error {
	if f.building == nil {
		err := c.Errorf(runtime.CodeUsage, "%s in a test or a hook: call it in a describe, or outside of all", c.Name)
		return err
	}
	return nil
}

func (f *file) describe(c *runtime.Call) error {
	if err := f.mustBuild(c); err != nil {
		return err
	}
	inner := newBlock(c.String("name"), f.building)
	inner.line, inner.body = c.Line, c.Func("f")
	f.building.children = append(f.building.children, inner)
	err := f.build(inner, func() error { _, err := inner.body.Call(c.Context(), c); return err })
	if c.Context().Err() != nil {
		return err
	}
	// A body may rely on hooks and tests before it. If it raises, it runs again when its turn comes.
	if inner.late = err != nil; inner.late {
		inner.children, inner.hooks = nil, map[hook][]*runtime.Func{}
	}
	return nil
}

// build runs the body of a block and adds to it what the body declares.
func (f *file) build(b *block, body func() error) error {
	outer := f.building
	f.building = b
	defer func() { f.building = outer }()
	return body()
}

func (f *file) it(c *runtime.Call) error {
	if err := f.mustBuild(c); err != nil {
		return err
	}
	f.building.children = append(f.building.children,
		&test{name: c.String("name"), block: f.building, line: c.Line, fn: c.Func("f")})
	return nil
}

func (f *file) around(c *runtime.Call, h hook) error {
	if err := f.mustBuild(c); err != nil {
		return err
	}
	f.building.hooks[h] = append(f.building.hooks[h], c.Func("f"))
	return nil
}

func (f *file) randomize(c *runtime.Call) error {
	if err := f.mustBuild(c); err != nil {
		return err
	}
	on := c.Bool("on")
	f.building.shuffled = &on
	return nil
}

// codePending is the code of the error that ends a test as pending.
const codePending = "pending"

func (f *file) pending(c *runtime.Call) error {
	if f.building == nil {
		return c.Errorf(codePending, "%s", c.String("name"))
	}
	f.building.children = append(f.building.children, &test{name: c.String("name"), block: f.building, line: c.Line})
	return nil
}

func (f *file) finally(c *runtime.Call) error {
	fn := c.Func("f")
	if f.running() == nil {
		return c.Errorf(runtime.CodeUsage, "finally outside of a test: use after_each or teardown")
	}
	return f.AtEnd(func(ctx context.Context) error { return f.environment.Host().Invoke(ctx, fn) })
}
