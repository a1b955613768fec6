package suite

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"dkvrun/runtime"
)

// file is a running suite.
type file struct {
	path        string
	round       int
	options     *Options
	environment Environment
	done        func(Result)
	snapshots   snapshots
	// building is the block whose body runs; nil once tests run.
	building *block

	mu     sync.Mutex // guards the fields below against the tasks of a test
	now    *attempt
	scopes [][]func(context.Context) error
	abort  context.CancelCauseFunc
	lost   error // the cause of an Abort between two tests
}

// read runs the file and returns the tree of its tests.
func (f *file) read(ctx context.Context) (*block, error) {
	root := newBlock("", nil)
	f.building = root
	defer func() { f.building = nil }()
	environment, err := f.options.Open(Setup{
		File: f.path, Words: append(f.spellings(), f.primitives()...), Stdout: writer{f}, Action: f.act,
		Seed: f.seed(), Scope: f,
	})
	if err != nil {
		return nil, err
	}
	f.environment = environment
	first, err := luaSource(start)
	if err != nil {
		return nil, err
	}
	if _, err := environment.Host().RunSource(ctx, runtime.InternalSource(start), first); err != nil {
		return nil, err
	}
	err = f.bounded(ctx, func(ctx context.Context) error {
		_, err := environment.Host().RunFile(ctx, f.path)
		return err
	})
	return root, err
}

// seed returns the seed of the file, made from the run's seed and the path.
func (f *file) seed() uint64 {
	h := fnv.New64a()
	h.Write([]byte(f.path))
	return f.options.Seed ^ h.Sum64()
}

// plan reads the file and keeps the selected tests. It reports an error as a result and returns nil.
func (f *file) plan(ctx context.Context) *block {
	a := f.begin()
	began := time.Now()
	root, err := f.read(ctx)
	f.finish()
	if err != nil {
		f.done(Result{File: f.path, Name: "(reading the file)", Round: f.round,
			Attempts: []Attempt{f.outcome(a, []error{err}, time.Since(began))}})
		return nil
	}
	f.arrange(root)
	return root
}

// arrange keeps the selected tests of a block and shuffles them.
func (f *file) arrange(b *block) {
	b.keep(func(t *test) bool { return f.options.Select.allows(f.result(t)) })
	b.shuffle(rand.New(rand.NewPCG(f.seed(), uint64(f.round))), f.options.Shuffle)
}

// buildLate runs the body of a block that raised while the file was read. It reports an error as a result.
func (f *file) buildLate(ctx context.Context, b *block) {
	made := f.phase(ctx, func(ctx context.Context) []error {
		return []error{f.build(b, func() error {
			return f.bounded(ctx, func(ctx context.Context) error { return f.environment.Host().Invoke(ctx, b.body) })
		})}
	})
	if made.Status != Passed {
		b.children = nil
		f.done(Result{File: f.path, Blocks: b.names(), Name: "(describe)", Line: b.line, Round: f.round, Attempts: []Attempt{made}})
	}
	b.late = false
	f.arrange(b)
}

// result returns the result of a test, without attempts.
func (f *file) result(t *test) Result {
	r := Result{File: f.path, Blocks: t.block.names(), Name: t.name, Line: t.line, Round: f.round}
	r.Tags = tags(r.FullName())
	return r
}

// run runs the tests of a block while goOn returns true.
func (f *file) run(ctx context.Context, b *block, keepRunning func() bool) {
	if len(b.children) == 0 || !keepRunning() {
		return
	}
	f.open()
	if made := f.phase(ctx, func(ctx context.Context) []error {
		return []error{f.bounded(ctx, func(ctx context.Context) error { return f.call(ctx, b.hooks[setup]) })}
	}); made.Status != Passed {
		for _, t := range b.tests() {
			r := f.result(t)
			if r.Attempts = []Attempt{made}; t.fn == nil {
				r.Attempts = []Attempt{{Status: Pending}}
			}
			f.done(r)
		}
	} else {
		f.children(ctx, b, keepRunning)
	}
	if ended := f.phase(ctx, func(ctx context.Context) []error {
		err := f.cleanUp(ctx, func(ctx context.Context) error { return f.call(ctx, b.hooks[teardown]) })
		return append([]error{err}, f.close(ctx)...)
	}); ended.Status != Passed {
		f.done(Result{File: f.path, Blocks: b.names(), Name: "(teardown)", Round: f.round, Attempts: []Attempt{ended}})
	}
}

func (f *file) children(ctx context.Context, b *block, keepRunning func() bool) {
	for _, child := range b.children {
		if !keepRunning() {
			return
		}
		switch child := child.(type) {
		case *block:
			if child.late {
				f.buildLate(ctx, child)
			}
			f.run(ctx, child, keepRunning)
		case *test:
			f.test(ctx, child)
		}
	}
}

// test runs a test until it passes or its retries are used up.
func (f *file) test(ctx context.Context, t *test) {
	r := f.result(t)
	if t.fn == nil {
		r.Attempts = []Attempt{{Status: Pending}}
		f.done(r)
		return
	}
	for range 1 + f.options.Retries {
		f.snapshots.begin(r)
		r.Attempts = append(r.Attempts, f.attempt(ctx, t))
		if !r.Bad() || ctx.Err() != nil {
			break
		}
	}
	f.done(r)
}

// phase runs the setup or teardown of a block.
func (f *file) phase(ctx context.Context, do func(context.Context) []error) Attempt {
	began := time.Now()
	a := f.begin()
	ctx, unchecked := f.environment.TestScope(ctx, false)
	errs := slices.DeleteFunc(do(ctx), func(err error) bool { return err == nil })
	if err := unchecked(); err != nil && len(errs) == 0 {
		errs = append(errs, err)
	}
	f.finish()
	return f.outcome(a, errs, time.Since(began))
}
