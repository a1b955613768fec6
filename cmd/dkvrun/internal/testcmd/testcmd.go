// Package testcmd implements the command dkvrun test.
package testcmd

import (
	"context"
	"errors"
	"fmt"

	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/cmd/dkvrun/internal/flags"
	"dkvrun/cmd/dkvrun/internal/interrupt"
	"dkvrun/cmd/dkvrun/internal/process"
	"dkvrun/runtime/printable"
	"dkvrun/runtime/suite"
)

// Run runs the command dkvrun test with its arguments: suites run once, or repeatedly with --watch.
func Run(p *process.Process, args []string) error {
	o, err := parseTest(p, args)
	if err != nil {
		return err
	}
	if o.help {
		return p.Print(testUsage(o))
	}
	ctx, watch := interrupt.WatchSignals(interrupt.ForceExit{Process: p, InFlight: func() []string { return nil }})
	watch()
	if o.watch {
		return watchTests(ctx, p, o)
	}
	return testOnce(ctx, p, o)
}

// Errors that the reports have shown already.
var (
	errTestsFailed = &exit.Error{Status: exit.Failed, Message: "a test failed", Silent: true}
	errInterrupted = &exit.Error{Status: exit.Interrupted, Message: "interrupted", Silent: true}
)

// testOnce runs or lists the suites. It also returns an error if a test failed.
func testOnce(ctx context.Context, p *process.Process, o *testOptions) error {
	last := lastFailedTests(p.Getenv)
	paths, only := o.paths, map[string]bool(nil)
	if o.rerunFailed {
		files, failed, err := last.read()
		if err != nil {
			return err
		}
		if only = failed; len(paths) == 0 {
			paths = files
		}
	}
	run, err := o.run(paths)
	if err != nil {
		return err
	}
	run.Select.Only = only
	run.Open = func(s suite.Setup) (suite.Environment, error) { return openEnvironment(p, o, s), nil }
	if o.list {
		return listTests(ctx, p, run)
	}
	reports, err := openReports(p, o)
	if err != nil {
		return err
	}
	summary, err := suite.Run(ctx, run, reports.reports...)
	if closing := reports.close(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("test: %w", err)
	}
	switch {
	case errors.Is(summary.Stopped, suite.ErrInterrupted):
		return errInterrupted
	case summary.Tests() == 0 && o.rerunFailed:
		return exit.Misuse("run once without it", "test: --rerun-failed: the tests that failed in the last run no longer exist")
	case summary.Tests() == 0:
		return errNoMatch
	}
	if err := last.write(summary.Failures); err != nil {
		fmt.Fprintf(p.Stderr, "dkvrun: test: can't record the failed tests for --rerun-failed: %v\n", err)
	}
	if summary.Bad() {
		return errTestsFailed
	}
	return nil
}

var errNoMatch = exit.Misuse("dkvrun test --list shows all tests", "test: no test matches")

// listTests prints the tests that a run would include.
func listTests(ctx context.Context, p *process.Process, run suite.Options) error {
	var failed error
	all := suite.List(ctx, run)
	if len(all) == 0 {
		return errNoMatch
	}
	for _, r := range all {
		if r.Bad() {
			failed = errTestsFailed
			problem := r.Last().Problems[0]
			fmt.Fprintf(p.Stderr, "dkvrun: test: %s\n", printable.Text(fmt.Sprintf("%s:%d: %s", r.File, problem.Line, problem.Message)))
			continue
		}
		if _, err := fmt.Fprintln(p.Stdout, title(r)); err != nil {
			return fmt.Errorf("test: %w", err)
		}
	}
	return failed
}

func testUsage(o *testOptions) string {
	return `dkvrun test runs regression suites: Lua files with tests as in busted, and assertions for stores.

  dkvrun test [flags] [PATH…]        run the files named, and *_test.lua in the folders (default: .)

` + flags.Usages(o.flags) + `
Exit status: 0 all passed; 1 a test failed; 2 the command line can't be used, or no test matches;
130 interrupted. The last line of the output is the command that repeats the run.
`
}
