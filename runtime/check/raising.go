package check

import (
	"slices"
	"strings"

	"dkvrun/runtime/syntax"
)

// expected notes the functions that a suite expects to raise, as in assert.has_error(function() … end):
// what is wrong in them is meant to be.
func (c *checker) expected(call *syntax.Call) {
	if !c.Suite || !c.aboutErrors(call.Callee) {
		return
	}
	for _, arg := range call.Args {
		if f, ok := arg.(*syntax.Function); ok {
			c.raising = append(c.raising, f.Span)
		}
	}
}

// aboutErrors tells whether a callee is one of the assertions that something raises.
func (c *checker) aboutErrors(callee syntax.Expr) bool {
	about := false
	for {
		index, ok := callee.(*syntax.Index)
		if !ok {
			s := c.shapeOf(callee)
			return about && (s != nil && s.root == "assert" || isGlobal(c.scopes, callee, "assert"))
		}
		word, ok := index.Key.(*syntax.String)
		if !ok || strings.Contains(word.Value, "no") { // has_no.errors, is_not.error
			return false
		}
		about = about || strings.Contains(word.Value, "error")
		callee = index.Object
	}
}

// isExpected tells whether a finding is about what is meant to raise.
func (c *checker) isExpected(f Finding) bool {
	return f.Severity == Error && f.Code != SyntaxError && slices.ContainsFunc(c.raising, func(s syntax.Span) bool {
		return s.Contains(f.span.Start)
	})
}
