package builtins

// NewRun returns the state of a run.
func NewRun(c Config) *Run { return New(c) }
