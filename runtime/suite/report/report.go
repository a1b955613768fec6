// Package report writes the results of suites in formats that other programs read: TAP, JUnit XML, JSON lines.
package report

import (
	"encoding/json"
	"fmt"
	"strings"

	"dkvrun/runtime/printable"
	"dkvrun/runtime/suite"
)

// title returns a test's file and name, and its round from the second on.
func title(r suite.Result) string {
	name := r.File + ": " + r.FullName()
	if r.Round > 1 {
		name += fmt.Sprintf(" (round %d)", r.Round)
	}
	return strings.Join(strings.Fields(name), " ")
}

// details returns everything about a problem but its message.
func details(p *suite.Problem) string {
	var out strings.Builder
	add := func(text string) {
		if text != "" {
			out.WriteString(strings.TrimRight(text, "\n") + "\n")
		}
	}
	add(p.Difference)
	if p.Line > 0 {
		add(fmt.Sprintf("%s:%d", p.File, p.Line))
	}
	add(p.Source)
	if p.Hint != "" {
		add("hint: " + p.Hint)
	}
	add(p.Trace)
	return out.String()
}

// encoded returns a value as JSON.
func encoded(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // all types of the reports can be encoded
	}
	return printable.JSON(b)
}
