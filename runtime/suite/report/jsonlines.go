package report

import (
	"io"
	"time"

	"dkvrun/runtime/suite"
)

type jsonLines struct{ w io.Writer }

// JSONLines returns a report that writes one JSON object per line: type "test" when a test ends, type "summary" at the
// end. Times are in milliseconds.
func JSONLines(w io.Writer) suite.Report { return jsonLines{w} }

func (j jsonLines) Test(r suite.Result) error {
	attempts := make([]any, len(r.Attempts))
	for i, a := range r.Attempts {
		attempts[i] = attemptDocument(a)
	}
	return j.write(struct {
		Type     string       `json:"type"`
		File     string       `json:"file"`
		Name     string       `json:"name"`
		Line     int          `json:"line,omitempty"`
		Tags     []string     `json:"tags,omitempty"`
		Round    int          `json:"round"`
		Status   suite.Status `json:"status"`
		Flaky    bool         `json:"flaky"`
		Duration float64      `json:"duration_ms"`
		Attempts []any        `json:"attempts"`
	}{"test", r.File, r.FullName(), r.Line, r.Tags, r.Round, r.Status(), r.Flaky(), milliseconds(r.Duration()), attempts})
}

func (j jsonLines) End(s suite.Summary) error {
	stopped := ""
	if s.Stopped != nil {
		stopped = s.Stopped.Error()
	}
	return j.write(struct {
		Type     string  `json:"type"`
		OK       bool    `json:"ok"`
		Files    int     `json:"files"`
		Tests    int     `json:"tests"`
		Passed   int     `json:"passed"`
		Failed   int     `json:"failed"`
		Errors   int     `json:"errors"`
		Pending  int     `json:"pending"`
		Flaky    int     `json:"flaky"`
		Stopped  string  `json:"stopped,omitempty"`
		Seed     uint64  `json:"seed"`
		Duration float64 `json:"duration_ms"`
	}{"summary", !s.Bad(), s.Files, s.Tests(), s.Passed, s.Failed, s.Errors, s.Pending, s.Flaky, stopped, s.Seed,
		milliseconds(s.Duration)})
}

func (j jsonLines) write(v any) error {
	_, err := j.w.Write(append(encoded(v), '\n'))
	return err
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// attemptDocument returns an attempt in the form that JSON shows.
func attemptDocument(a suite.Attempt) any {
	type problem struct {
		Kind       string `json:"kind"`
		Message    string `json:"message"`
		Hint       string `json:"hint,omitempty"`
		Difference string `json:"difference,omitempty"`
		File       string `json:"file,omitempty"`
		Line       int    `json:"line,omitempty"`
		Source     string `json:"source,omitempty"`
		Trace      string `json:"trace,omitempty"`
	}
	var problems []problem
	for _, p := range a.Problems {
		problems = append(problems, problem{kind(p), p.Message, p.Hint, p.Difference, p.File, p.Line, p.Source, p.Trace})
	}
	return struct {
		Status   suite.Status `json:"status"`
		Reason   string       `json:"reason,omitempty"`
		Duration float64      `json:"duration_ms"`
		Problems []problem    `json:"problems,omitempty"`
		Actions  []string     `json:"actions,omitempty"`
		Output   string       `json:"output,omitempty"`
	}{a.Status, a.Reason, milliseconds(a.Duration), problems, a.Actions, a.Output}
}

// kind returns the kind of a problem.
func kind(p *suite.Problem) string {
	switch {
	case p.Assertion:
		return "failure"
	case p.Timeout:
		return "timeout"
	}
	return "error"
}
