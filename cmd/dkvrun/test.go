package main

import (
	"context"
	"fmt"

	"dkvrun/runtime/suite"
)

// runTests is dkvrun test: it runs suites once, or again and again with --watch.
func runTests(p *process, args []string) int {
	o, err := parseTest(p, args)
	if err != nil {
		return complain(p.stderr, err)
	}
	if o.help {
		return write(p, testUsage(o))
	}
	ctx, watch := watchSignals(leaving{p.stderr, func() []string { return nil }})
	watch()
	if o.watch {
		return watchTests(ctx, p, o)
	}
	return testOnce(ctx, p, o)
}

// testOnce runs or lists the suites and returns the exit status.
func testOnce(ctx context.Context, p *process, o *testOptions) int {
	memory := failedBefore(p.getenv)
	paths, only := o.paths, map[string]bool(nil)
	if o.rerunFailed {
		files, failed, err := memory.read()
		if err != nil {
			return complain(p.stderr, err)
		}
		if only = failed; len(paths) == 0 {
			paths = files
		}
	}
	run, err := o.run(paths)
	if err != nil {
		return complain(p.stderr, err)
	}
	run.Select.Only = only
	run.Open = func(s suite.Setup) (suite.Environment, error) { return openEnvironment(p, o, s), nil }
	if o.list {
		return listTests(ctx, p, run)
	}
	reports, err := openReports(p, o)
	if err != nil {
		return complain(p.stderr, err)
	}
	summary, err := suite.Run(ctx, run, reports.reports...)
	if closing := reports.close(); err == nil {
		err = closing
	}
	if err != nil {
		return failWith(p, err)
	}
	switch {
	case summary.Stopped == suite.ErrInterrupted:
		return statusInterrupted
	case summary.Tests() == 0 && o.rerunFailed:
		return complain(p.stderr, misuse("run once without it", "test: --rerun-failed: no test that failed in the last run is there any more"))
	case summary.Tests() == 0:
		return complain(p.stderr, noMatch)
	}
	if err := memory.write(summary.Failures); err != nil {
		fmt.Fprintf(p.stderr, "dkvrun: test: what failed can't be kept for --rerun-failed: %v\n", err)
	}
	if summary.Bad() {
		return statusFailed
	}
	return statusDone
}

var noMatch = misuse("dkvrun test --list shows what there is", "test: no test matches")

func failWith(p *process, err error) int {
	fmt.Fprintf(p.stderr, "dkvrun: test: %v\n", err)
	return statusFailed
}

// listTests prints the tests that would run.
func listTests(ctx context.Context, p *process, run suite.Options) int {
	status := statusDone
	all := suite.List(ctx, run)
	if len(all) == 0 {
		return complain(p.stderr, noMatch)
	}
	for _, r := range all {
		if r.Bad() {
			status = statusFailed
			problem := r.Last().Problems[0]
			fmt.Fprintf(p.stderr, "dkvrun: test: %s:%d: %s\n", r.File, problem.Line, problem.Message)
			continue
		}
		if _, err := fmt.Fprintln(p.stdout, title(r)); err != nil {
			return failWith(p, err)
		}
	}
	return status
}

func testUsage(o *testOptions) string {
	return `dkvrun test runs suites: Lua files with tests in the words of busted, and assertions for stores.

  dkvrun test [flags] [PATH…]        a suite is a *_test.lua in PATH (the working folder), or a file named

` + flagUsages(o.flags) + `
Exit status: 0 all passed; 1 a test failed; 2 the command line can't be used, or no test matches;
130 interrupted. The last line of the output is the command that repeats the run.
`
}
