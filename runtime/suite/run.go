package suite

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// errFailFast is Summary.Stopped if a failed test ended the run.
var errFailFast = errors.New("stopped at the first failure")

// ErrInterrupted is Summary.Stopped if the context ended.
var ErrInterrupted = errors.New("interrupted")

// Run runs the suites and passes the result of each test, then the summary, to the reports. Its error comes from a
// report or from saving snapshots; failed tests are not an error.
func Run(ctx context.Context, o Options, reports ...Report) (Summary, error) {
	r := &run{options: &o, reports: slices.Clone(reports), summary: Summary{Seed: o.Seed, Files: len(o.Files)}}
	began := time.Now()
	for round := 1; round <= max(1, o.Repeat) && r.goOn(ctx); round++ {
		r.round(ctx, round)
	}
	switch {
	case ctx.Err() != nil:
		r.summary.Stopped = ErrInterrupted
	case r.stop.Load():
		r.summary.Stopped = errFailFast
	}
	r.summary.Duration = time.Since(began)
	r.tell(func(report Report) error { return report.End(r.summary) })
	return r.summary, r.err
}

// run is one call of Run.
type run struct {
	options *Options
	stop    atomic.Bool // a test failed, with Options.FailFast

	mu      sync.Mutex
	reports []Report
	summary Summary
	err     error
}

func (r *run) goOn(ctx context.Context) bool { return ctx.Err() == nil && !r.stop.Load() }

// round runs every file once, Jobs at a time.
func (r *run) round(ctx context.Context, round int) {
	paths := slices.Clone(r.options.Files)
	if r.options.Shuffle {
		random := rand.New(rand.NewPCG(r.options.Seed, uint64(round)))
		random.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
	}
	queue := make(chan string, len(paths))
	for _, path := range paths {
		queue <- path
	}
	close(queue)
	var workers sync.WaitGroup
	for range max(1, r.options.Jobs) {
		workers.Go(func() {
			for path := range queue {
				if r.goOn(ctx) {
					r.file(ctx, path, round)
				}
			}
		})
	}
	workers.Wait()
}

func (r *run) file(ctx context.Context, path string, round int) {
	f := &file{path: path, round: round, options: r.options}
	f.done = func(result Result) {
		f.snapshots.ended(result)
		r.done(result)
	}
	root := f.plan(ctx)
	if f.environment != nil {
		defer f.environment.Close()
	}
	if root == nil {
		return
	}
	f.run(ctx, root, func() bool { return r.goOn(ctx) })
	if err := f.saveSnapshots(r.goOn(ctx)); err != nil {
		r.fail(err)
	}
}

// done counts a test's result and passes it to the reports.
func (r *run) done(result Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.count(result)
	if r.options.FailFast && result.Bad() {
		r.stop.Store(true)
	}
	r.tell(func(report Report) error { return report.Test(result) })
}

// tell calls the reports; it drops a report that returns an error.
func (r *run) tell(what func(Report) error) {
	r.reports = slices.DeleteFunc(r.reports, func(report Report) bool {
		err := what(report)
		r.err = errors.Join(r.err, err)
		return err != nil
	})
}

func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = errors.Join(r.err, err)
}

// List reads the suites and returns the tests that would run, in their order, without running any. A file that can't be
// read has a result with the problem.
func List(ctx context.Context, o Options) []Result {
	var all []Result
	for _, path := range o.Files {
		f := &file{path: path, round: 1, options: &o, done: func(r Result) { all = append(all, r) }}
		if root := f.plan(ctx); root != nil {
			for _, b := range root.unbuiltBlocks() {
				f.buildLate(ctx, b)
			}
			for _, t := range root.tests() {
				all = append(all, f.result(t))
			}
		}
		if f.environment != nil {
			f.environment.Close()
		}
	}
	return all
}
