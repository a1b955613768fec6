package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"dkvrun/runtime/syntax"
)

// The codes of findings. A run would refuse what has the severity error; a warning is a slip that a
// run does not see.
const (
	SyntaxError = "syntax"    // the source can't be compiled
	Undefined   = "undefined" // a global, or a function of a library, that does not exist
	Module      = "module"    // require finds no such module
	Misuse      = "misuse"    // a builtin's arguments
	NoField     = "field"     // a field or method that a value does not have, or that can't be set
	Unused      = "unused"    // a local that nothing reads
	Unlooked    = "unlooked"  // results that nothing looks at
	Duplicate   = "duplicate" // a key given twice in one table
	Ambiguous   = "ambiguous" // a call whose arguments begin on the next line
)

// The severities of findings.
const (
	Error   = "error"
	Warning = "warning"
)

var severities = map[string]string{Unused: Warning, Unlooked: Warning, Duplicate: Warning, Ambiguous: Warning}

// Finding is one thing that is wrong in a source. Lines and columns count from 1, columns in
// characters; the end is the place after the last character that is meant.
type Finding struct {
	File      string `json:"file"`
	Line      int    `json:"line"`
	Column    int    `json:"column"`
	EndLine   int    `json:"end_line"`
	EndColumn int    `json:"end_column"`
	Severity  string `json:"severity"`
	Code      string `json:"code"`
	Message   string `json:"message"`
	// Hint says what to do, where the message does not.
	Hint string `json:"hint"`

	span syntax.Span
}

// String is file:line:column: message.
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Message)
}

func (c *checker) report(at syntax.Span, code, format string, args ...any) *Finding {
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

// sorted are the findings that no comment silences and that are not meant to be, in the order of their places.
func (c *checker) sorted(comments []syntax.Comment) []Finding {
	silent := c.silenced(comments)
	kept := slices.DeleteFunc(c.findings, func(f Finding) bool {
		codes, ok := silent[f.Line]
		return c.isExpected(f) || ok && f.Code != SyntaxError && (len(codes) == 0 || slices.Contains(codes, f.Code))
	})
	slices.SortStableFunc(kept, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return kept
}

// silenced are the lines that a comment "check: ignore" speaks of: its own, and the next one where it
// stands alone. The codes that may follow are all that it silences.
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
