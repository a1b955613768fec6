package suite

import (
	"strings"
	"time"
)

// Status is what came of a test.
type Status string

const (
	Passed  Status = "passed"
	Failed  Status = "failed"  // an assertion did not hold
	Errored Status = "error"   // something raised, or the time was over
	Pending Status = "pending" // not written yet, or it said so itself
)

// Result is what came of one test.
type Result struct {
	// File is the suite's path, Blocks the names around the test, outermost first.
	File   string
	Blocks []string
	Name   string
	Line   int
	Tags   []string
	// Round counts repetitions from 1.
	Round int
	// Attempts are all of them, the last one is what counts. A test that is only listed has none.
	Attempts []Attempt
}

// Attempt is one run of a test.
type Attempt struct {
	Status Status
	// Reason says why a test is pending.
	Reason string
	// Problems are what went wrong: in the test first, then in what cleans up after it.
	Problems []*Problem
	Duration time.Duration
	// Output is what the test printed, Actions a line for each row of its actions.
	Output  string
	Actions []string
}

// FullName is the names around the test and its own.
func (r Result) FullName() string {
	return strings.Join(append(r.Blocks[:len(r.Blocks):len(r.Blocks)], r.Name), " ")
}

// ID tells the test from all others of all files.
func (r Result) ID() string { return r.File + "\t" + r.FullName() }

// Last is the attempt that counts.
func (r Result) Last() Attempt {
	if len(r.Attempts) == 0 {
		return Attempt{}
	}
	return r.Attempts[len(r.Attempts)-1]
}

// Status is that of the last attempt.
func (r Result) Status() Status { return r.Last().Status }

// Bad says whether the run fails with this test.
func (r Result) Bad() bool { return r.Status() == Failed || r.Status() == Errored }

// Flaky says whether it passed, but not at the first attempt.
func (r Result) Flaky() bool { return r.Status() == Passed && len(r.Attempts) > 1 }

// Duration is that of all attempts together.
func (r Result) Duration() time.Duration {
	var sum time.Duration
	for _, a := range r.Attempts {
		sum += a.Duration
	}
	return sum
}

// Summary is what came of a run.
type Summary struct {
	Files                                  int
	Passed, Failed, Errors, Pending, Flaky int
	// Failures are the IDs of the tests that failed, in the order of their ends.
	Failures []string
	// Stopped says why not all tests were run, nil where they were.
	Stopped  error
	Seed     uint64
	Duration time.Duration
}

// Tests is how many have an outcome.
func (s Summary) Tests() int { return s.Passed + s.Failed + s.Errors + s.Pending }

// Bad says whether the run failed.
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
