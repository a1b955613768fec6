// Package suite runs regression suites: Lua files with the functions of busted (describe, it, before_each, …), the
// assertions of luassert, and assertions for stores and results.
//
// Each file runs in its own Host, several files at once. The package builds the tree of a file's tests, runs them, and
// passes the results to Reports. The caller decides what a Host can call.
package suite

import (
	"context"
	"io"
	"regexp"
	"time"

	"dkvrun/runtime"
)

// Options configure a run of suites.
type Options struct {
	// Files are the suites, as Find returns them.
	Files []string
	// Open makes the environment of one file.
	Open func(Setup) (Environment, error)
	// Jobs is how many files run at once; values below 1 mean 1.
	Jobs int
	// Shuffle runs files, and the tests of each block, in an order that depends only on Seed. Seed also seeds the random
	// numbers of each file.
	Shuffle bool
	Seed    uint64
	// Select decides which tests run.
	Select Selection
	// FailFast begins no test after one has failed.
	FailFast bool
	// Repeat is how often everything runs; values below 1 mean 1. Retries is how often a failed test is retried.
	Repeat, Retries int
	// Timeout limits a test with its before_each, and each other hook alone.
	Timeout time.Duration
	// UpdateSnapshots saves snapshots instead of comparing with them.
	UpdateSnapshots bool
}

// Selection selects the tests that match all of its fields. The zero value selects all tests.
type Selection struct {
	// Name matches a part of the full name.
	Name *regexp.Regexp
	// Tags selects tests with one of these tags, Without those with none of these. A tag is a word of the name that begins
	// with #.
	Tags, Without []string
	// Only has the IDs of the tests that run, unless it is nil.
	Only map[string]bool
}

// Setup has the parameters of a file's environment.
type Setup struct {
	// File is the suite's path. Words are additional globals of the suite.
	File  string
	Words []runtime.Builtin
	// Stdout gets the output of the script, Action a line for each row of an action.
	Stdout io.Writer
	Action func(line string)
	// Seed is the seed of the file's random numbers.
	Seed uint64
	// Scope is that of the running test or block.
	Scope Scope
}

// Scope is the running test or block.
type Scope interface {
	// AtEnd registers a function to call when the innermost running test or block ends, in any case; the last one is
	// called first. While a file is read, it returns an error instead.
	AtEnd(end func(context.Context) error) error
	// Abort ends the running test with cause, because the test can't succeed any more.
	Abort(cause error)
}

// Environment is the environment of the tests of one file.
type Environment interface {
	Host() *runtime.Host
	// TestScope makes the context of a test, with a session that only this test uses, or of a hook around a block's
	// tests, without one. unchecked returns the first failure in it that the script never read.
	TestScope(ctx context.Context, ownSession bool) (scope context.Context, unchecked func() error)
	Close()
}

// Report gets the result of each test, then the summary. Calls don't overlap.
type Report interface {
	Test(Result) error
	End(Summary) error
}
