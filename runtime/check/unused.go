package check

import (
	"slices"
	"strings"

	"dkvrun/runtime/syntax"
)

// unused reports locals that are never read, and results of actions that are never checked.
func (c *checker) unused() {
	parents := c.parents()
	for _, v := range c.scopes.variables {
		if v.local == nil || strings.HasPrefix(v.name.Text, "_") || c.siblingResultUsed(v) {
			continue
		}
		action := c.action(v)
		read, checked := false, false
		for _, n := range v.reads {
			if v.function != nil && v.function.Contains(n.Start) {
				continue // a recursive call does not count
			}
			read = true
			checked = checked || !c.shows(parents[n])
		}
		switch {
		case action != "" && !read:
			c.report(v.name.Span, Unchecked, "the results of %s are never checked", action).Hint =
				"check " + v.name.Text + ".ok or call :check(); without a variable, the next action raises if this one failed"
		case !read:
			c.report(v.name.Span, Unused, "local %s is never used", v.name.Text).Hint = "remove it, or begin its name with _"
		case action != "" && !checked:
			c.report(v.name.Span, Unchecked, "the results of %s are never checked: printing them is not a check", action).Hint =
				"check " + v.name.Text + ".ok or call :check()"
		}
	}
}

// siblingResultUsed reports whether a variable gets one of several values of a call and another of these values is
// read.
func (c *checker) siblingResultUsed(v *variable) bool {
	s, ok := v.local.(*syntax.Local)
	if !ok || len(s.Values) == 0 || len(s.Names) <= len(s.Values) {
		return false
	}
	got := s.Names[len(s.Values)-1:]
	return slices.Contains(got, v.name) && slices.ContainsFunc(got, func(n *syntax.Name) bool {
		return len(c.scopes.locals[n].reads) > 0
	})
}

// action returns the name of the action whose results a variable holds, or "". Results are an object that assert can
// check.
func (c *checker) action(v *variable) string {
	s := c.shapeOfVariable(v)
	if s == nil || s.object == nil || s.object.Assert == nil {
		return ""
	}
	for _, assigned := range v.values {
		if call, ok := assigned.expr.(*syntax.Call); ok && call.Method == nil {
			if f := c.shapeOf(call.Callee); f != nil && f.builtin != nil {
				return f.builtin.Name
			}
		}
	}
	return ""
}

// parents returns the call or the unary operator around each name.
func (c *checker) parents() map[*syntax.Name]syntax.Node {
	around := map[*syntax.Name]syntax.Node{}
	note := func(parent syntax.Node, all ...syntax.Expr) {
		for _, e := range all {
			if n, ok := e.(*syntax.Name); ok {
				around[n] = parent
			}
		}
	}
	syntax.WalkBlock(&c.chunk.Block, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Call:
			note(n, n.Args...)
		case *syntax.Unary:
			note(n, n.Operand)
		}
		return true
	})
	return around
}

// shows reports whether a node only counts or prints its operand.
func (c *checker) shows(n syntax.Node) bool {
	switch n := n.(type) {
	case *syntax.Unary:
		return n.Operator == "#"
	case *syntax.Call:
		for _, name := range []string{"print", "show", "tostring"} {
			if n.Method == nil && isGlobal(c.scopes, n.Callee, name) {
				return true
			}
		}
	}
	return false
}
