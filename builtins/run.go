package builtins

import (
	"dkvrun/builtins/internal/fixtures"
	"dkvrun/builtins/internal/run"
)

// The types that a program needs to start a run and to read its results.
type (
	// Run is the state of one run.
	Run = run.Run
	// Config is the configuration of a run.
	Config = run.Config
	// Results is the value of an action.
	Results = run.Results
	// QueryResult is the Source of the value of a query.
	QueryResult = run.QueryResult
	// Fixtures holds what the builtins for tests need.
	Fixtures = fixtures.Fixtures
)

// NewRun returns the state of a run, for runtime.Options.App.
func NewRun(c Config) *Run { return run.New(c) }
