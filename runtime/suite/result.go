package suite

import (
	"strings"
	"time"
)

// Status is the outcome of a test.
type Status string

const (
	Passed  Status = "passed"
	Failed  Status = "failed"  // an assertion failed
	Errored Status = "error"   // an error was raised, or the time limit passed
	Pending Status = "pending" // it has no function, or it called pending
)

// Result is the result of one test.
type Result struct {
	// File is the suite's path, Blocks the names around the test, outermost first.
	File   string
	Blocks []string
	Name   string
	Line   int
	Tags   []string
	// Round counts repetitions from 1.
	Round int
	// Attempts are all attempts; the last one counts. A test that is only listed has none.
	Attempts []Attempt
}

// Attempt is one run of a test.
type Attempt struct {
	Status Status
	// Reason is why a test is pending.
	Reason string
	// Problems has those of the test first, then those of its clean-up.
	Problems []*Problem
	Duration time.Duration
	// Output is the output of the test. Actions has a line for each row of its actions.
	Output  string
	Actions []string
}

// FullName returns the names of the blocks and of the test.
func (r Result) FullName() string {
	return strings.Join(append(r.Blocks[:len(r.Blocks):len(r.Blocks)], r.Name), " ")
}

// ID identifies the test among those of all files.
func (r Result) ID() string { return r.File + "\t" + r.FullName() }

// Last returns the last attempt.
func (r Result) Last() Attempt {
	if len(r.Attempts) == 0 {
		return Attempt{}
	}
	return r.Attempts[len(r.Attempts)-1]
}

// Status returns the status of the last attempt.
func (r Result) Status() Status { return r.Last().Status }

// Bad reports whether the test failed.
func (r Result) Bad() bool { return r.Status() == Failed || r.Status() == Errored }

// Flaky reports whether the test passed, but not at the first attempt.
func (r Result) Flaky() bool { return r.Status() == Passed && len(r.Attempts) > 1 }

// Duration returns the duration of all attempts together.
func (r Result) Duration() time.Duration {
	var sum time.Duration
	for _, a := range r.Attempts {
		sum += a.Duration
	}
	return sum
}

// Summary is the result of a run.
type Summary struct {
	Files                                  int
	Passed, Failed, Errors, Pending, Flaky int
	// Failures are the IDs of the failed tests, in the order in which they ended.
	Failures []string
	// Stopped is why not all tests ran, or nil.
	Stopped  error
	Seed     uint64
	Duration time.Duration
}

// Tests returns how many tests have an outcome.
func (s Summary) Tests() int { return s.Passed + s.Failed + s.Errors + s.Pending }

// Bad reports whether the run failed.
func (s Summary) Bad() bool { return s.Failed+s.Errors > 0 || s.Stopped != nil }

func (s *Summary) count(r Result) {
	switch r.Status() {
	case Passed:
		s.Passed++
	case Failed:
		s.Failed++
	case Errored:
		s.Errors++
	case Pending:
		s.Pending++
	}
	if r.Flaky() {
		s.Flaky++
	}
	if r.Bad() {
		s.Failures = append(s.Failures, r.ID())
	}
}
