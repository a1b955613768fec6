package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"dkvrun/runtime/syntax"
)

// Code is the kind of a finding.
type Code string

// The codes of findings. A run would raise an error; it does not notice a warning.
const (
	SyntaxError Code = "syntax"    // the source does not compile
	Undefined   Code = "undefined" // a global, or a function of a library, that does not exist
	Module      Code = "module"    // require does not find the module
	Misuse      Code = "misuse"    // wrong arguments of a builtin
	NoField     Code = "field"     // a field or method that a value does not have, or a field that is read-only
	Unused      Code = "unused"    // a local that is never read
	Unchecked   Code = "unlooked"  // results of an action that are never checked
	Duplicate   Code = "duplicate" // a key that a table constructor has twice
	Ambiguous   Code = "ambiguous" // a call whose arguments begin on the next line
)

// Severity tells errors from warnings.
type Severity string

// The severities of findings.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

var severities = map[Code]Severity{Unused: Warning, Unchecked: Warning, Duplicate: Warning, Ambiguous: Warning}

// Finding is an error or a mistake in a source. Lines and columns count from 1, columns in characters; the end is the
// place after the last character.
type Finding struct {
	File      string   `json:"file"`
	Line      int      `json:"line"`
	Column    int      `json:"column"`
	EndLine   int      `json:"end_line"`
	EndColumn int      `json:"end_column"`
	Severity  Severity `json:"severity"`
	Code      Code     `json:"code"`
	Message   string   `json:"message"`
	// Hint says what to do, if the message does not.
	Hint string `json:"hint"`

	span syntax.Span
}

// String returns file:line:column: message.
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Message)
}

// report adds a finding.
func (c *checker) report(at syntax.Span, code Code, format string, args ...any) *Finding {
	severity := severities[code]
	if severity == "" {
		severity = Error
	}
	from, to := c.lines.Place(at.Start), c.lines.Place(at.End)
	c.findings = append(c.findings, Finding{
		File: c.file, Line: from.Line, Column: from.Column, EndLine: to.Line, EndColumn: to.Column,
		Severity: severity, Code: code, Message: fmt.Sprintf(format, args...), span: at,
	})
	return &c.findings[len(c.findings)-1]
}

// sorted returns the findings in the order of their places, without those that a comment silences or that a suite
// expects.
func (c *checker) sorted(comments []syntax.Comment) []Finding {
	silent := c.silenced(comments)
	kept := slices.DeleteFunc(c.findings, func(f Finding) bool {
		codes, ok := silent[f.Line]
		return c.isExpected(f) || ok && f.Code != SyntaxError && (len(codes) == 0 || slices.Contains(codes, string(f.Code)))
	})
	slices.SortStableFunc(kept, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return kept
}

// silenced returns the codes that comments "check: ignore CODE, …" silence, by line; an empty list means all codes.
// Such a comment applies to its own line, or to the next line if nothing else is on its own.
func (c *checker) silenced(comments []syntax.Comment) map[int][]string {
	lines := map[int][]string{}
	for _, comment := range comments {
		rest, ok := strings.CutPrefix(strings.TrimSpace(comment.Text), "check: ignore")
		if !ok {
			continue
		}
		line := c.lines.Number(comment.Start)
		if comment.Alone {
			line = c.lines.Number(comment.End) + 1
		}
		lines[line] = strings.FieldsFunc(rest, func(r rune) bool { return r == ' ' || r == ',' })
	}
	return lines
}
