package report

import (
	"fmt"
	"io"
	"strings"

	"dkvrun/runtime/printable"
	"dkvrun/runtime/suite"
)

// tap is a report in TAP.
type tap struct {
	w     io.Writer
	count int
}

// TAP returns a report in the Test Anything Protocol, version 14, or 13 for older harnesses such as Perl's prove.
func TAP(w io.Writer, version int) (suite.Report, error) {
	_, err := fmt.Fprintf(w, "TAP version %d\n", version)
	return &tap{w: w}, err
}

var tapEscapes = strings.NewReplacer(`\`, `\\`, "#", `\#`)

func (t *tap) Test(r suite.Result) error {
	t.count++
	last := r.Last()
	outcome := "ok"
	if r.Bad() {
		outcome = "not ok"
	}
	line := fmt.Sprintf("%s %d - %s", outcome, t.count, tapEscapes.Replace(printable.Line(title(r))))
	if r.Status() == suite.Pending {
		line = strings.TrimRight(line+" # SKIP "+printable.Line(oneLine(last.Reason)), " ")
	}
	var out strings.Builder
	out.WriteString(line + "\n")
	if r.Bad() || r.Flaky() {
		t.diagnose(&out, r)
	}
	_, err := io.WriteString(t.w, out.String())
	return err
}

// diagnose writes the YAML block of a test: each attempt as JSON, which is a subset of YAML.
func (t *tap) diagnose(out *strings.Builder, r suite.Result) {
	fmt.Fprintf(out, "  ---\n  duration_ms: %d\n  flaky: %t\n  attempts:\n", r.Duration().Milliseconds(), r.Flaky())
	for _, a := range r.Attempts {
		fmt.Fprintf(out, "    - %s\n", encoded(attemptDocument(a)))
	}
	out.WriteString("  ...\n")
}

func (t *tap) End(s suite.Summary) error {
	if s.Stopped != nil {
		if _, err := fmt.Fprintf(t.w, "Bail out! %s\n", printable.Line(s.Stopped.Error())); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(t.w, "1..%d\n# seed %d\n", t.count, s.Seed)
	return err
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
