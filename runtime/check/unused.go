package check

import (
	"slices"
	"strings"

	"dkvrun/runtime/syntax"
)

// unused reports locals that nothing reads, and results that nothing looks at.
func (c *checker) unused() {
	parents := c.parents()
	for _, v := range c.scopes.variables {
		if v.local == nil || strings.HasPrefix(v.name.Text, "_") || c.besideUsed(v) {
			continue
		}
		action := c.action(v)
		read, looked := false, false
		for _, n := range v.reads {
			if v.function != nil && v.function.Contains(n.Start) {
				continue // a function that only calls itself
			}
			read = true
			looked = looked || !c.shows(parents[n])
		}
		switch {
		case action != "" && !read:
			c.report(v.name.Span, Unlooked, "nothing looks at the results of %s", action).Hint =
				"look at " + v.name.Text + ".ok or call :check(); without a variable the next action raises if it failed"
		case !read:
			c.report(v.name.Span, Unused, "local %s is never used", v.name.Text).Hint = "leave it out, or begin its name with _"
		case action != "" && !looked:
			c.report(v.name.Span, Unlooked, "nothing looks at the results of %s: to print them is not to look", action).Hint =
				"look at " + v.name.Text + ".ok or call :check()"
		}
	}
}

// besideUsed tells whether a variable gets one of several values of a call, of which another is used.
func (c *checker) besideUsed(v *variable) bool {
	s, ok := v.local.(*syntax.Local)
	if !ok || len(s.Values) == 0 || len(s.Names) <= len(s.Values) {
		return false
	}
	got := s.Names[len(s.Values)-1:]
	return slices.Contains(got, v.name) && slices.ContainsFunc(got, func(n *syntax.Name) bool {
		return len(c.scopes.locals[n].reads) > 0
	})
}

// action is the name of the builtin whose results a variable holds: an object that assert can judge.
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

// parents is the node around each name that is read.
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

// shows tells whether a node only counts or prints what stands in it.
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
