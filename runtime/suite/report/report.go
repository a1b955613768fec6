// Package report writes what came of a run of suites in the forms that other programs read: TAP, JUnit's
// XML, JSON lines.
package report

import (
	"encoding/json"
	"fmt"
	"strings"

	"dkvrun/runtime/suite"
)

// title is a test's name with its file, and its round where there are several.
func title(r suite.Result) string {
	name := r.File + ": " + r.FullName()
	if r.Round > 1 {
		name += fmt.Sprintf(" (round %d)", r.Round)
	}
	return strings.Join(strings.Fields(name), " ")
}

// details is all that is said of a problem, below its message.
func details(p *suite.Problem) string {
	var out strings.Builder
	part := func(text string) {
		if text != "" {
			out.WriteString(strings.TrimRight(text, "\n") + "\n")
		}
	}
	part(p.Difference)
	if p.Line > 0 {
		part(fmt.Sprintf("%s:%d", p.File, p.Line))
	}
	part(p.Source)
	if p.Hint != "" {
		part("hint: " + p.Hint)
	}
	part(p.Trace)
	return out.String()
}

// encoded is a value as JSON.
func encoded(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // the reports' types can all be encoded
	}
	return b
}
