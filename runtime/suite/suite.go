// Package suite runs regression suites: Lua files in the words of busted (describe, it, before_each, …)
// with the assertions of luassert and some for stores and results.
//
// Each file runs in a Host of its own, files beside each other. The package builds the tree of a file's
// tests, runs them, and tells Reports what came of each; what a Host can call is its caller's matter.
package suite

import (
	"context"
	"io"
	"regexp"
	"time"

	"dkvrun/runtime"
)

// Options say what to run, and how.
type Options struct {
	// Files are the suites, as Find gives them.
	Files []string
	// Open makes the environment of one file.
	Open func(Setup) (Environment, error)
	// Jobs is how many files run at once, at least 1.
	Jobs int
	// Shuffle runs files, and the tests of each block, in an order that Seed alone decides. Seed also
	// starts the random numbers of each file.
	Shuffle bool
	Seed    uint64
	// Select decides which tests run.
	Select Selection
	// FailFast begins no further test after one that failed.
	FailFast bool
	// Repeat runs everything so often, at least once. Retries is how often a failed test is tried again.
	Repeat, Retries int
	// Timeout bounds a test with its before_each, and each other hook, alone.
	Timeout time.Duration
	// UpdateSnapshots writes snapshots instead of comparing with them.
	UpdateSnapshots bool
}

// Selection says which tests run: those that pass all of its parts. The zero value lets all run.
type Selection struct {
	// Name has to match somewhere in the full name.
	Name *regexp.Regexp
	// Tags: at least one of these; Without: none of these. A tag is a word of a name that begins with #.
	Tags, Without []string
	// Only, where not nil, holds the IDs of the tests that run.
	Only map[string]bool
}

// Setup is what a file's environment is made from.
type Setup struct {
	// File is the suite's path, Words the globals that it needs beside the others.
	File  string
	Words []runtime.Builtin
	// Stdout takes what the script prints, Action a line for each row of an action.
	Stdout io.Writer
	Action func(line string)
	// Seed starts the file's random numbers.
	Seed uint64
	// Scope ends what lives no longer than the running test or block.
	Scope Scope
}

// Scope ends what lives no longer than the running test or block.
type Scope interface {
	// AtEnd has end called when the innermost running test or block ends, in any case, the last one
	// first. Outside of all, while a file is only read, it returns an error and does not call end.
	AtEnd(end func(context.Context) error) error
	// Abort ends the running test with cause: what it waits for can't come any more.
	Abort(cause error)
}

// Environment is what the tests of one file run in.
type Environment interface {
	Host() *runtime.Host
	// TestScope makes the context of a test, with a session that only this test uses, or of a hook around a block's
	// tests, without one. unchecked returns the first failure in it that the script never read.
	TestScope(ctx context.Context, ownSession bool) (scope context.Context, unchecked func() error)
	Close()
}

// Report is told what came of each test. Calls don't overlap.
type Report interface {
	Test(Result) error
	End(Summary) error
}
