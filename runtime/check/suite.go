package check

import (
	"slices"
	"strings"

	"dkvrun/runtime/suite"
	"dkvrun/runtime/syntax"
)

// registration is an assertion, matcher or modifier that a suite registers; its name is empty if it is not a literal.
type registration struct{ kind, name string }

// registrable are the kinds of registrations.
var registrable = []string{"assertion", "matcher", "modifier"}

// words returns the vocabulary of the suite, with its registrations, or nil if the source is not a suite.
func (c *checker) words() *suite.Vocabulary {
	if !c.Suite || c.vocabulary != nil {
		return c.vocabulary
	}
	c.vocabulary = suite.NewVocabulary()
	if c.globals.open { // the suite may register more
		for _, kind := range registrable {
			c.vocabulary.Register(kind, "")
		}
	}
	for _, r := range c.globals.registered {
		c.vocabulary.Register(r.kind, r.name)
	}
	return c.vocabulary
}

// registers adds the registration of a call assert:register(kind, name, …) or assert.register(assert, kind, name, …).
func (g *globals) registers(call *syntax.Call) {
	args := call.Args
	switch index, ok := call.Callee.(*syntax.Index); {
	case call.Method != nil && call.Method.Value == "register":
	case ok && isString(index.Key, "register") && len(args) > 0:
		args = args[1:]
	default:
		return
	}
	if len(args) < 2 {
		return
	}
	kinds := registrable
	if kind, ok := args[0].(*syntax.String); ok {
		if !slices.Contains(kinds, kind.Value) {
			return
		}
		kinds = []string{kind.Value}
	}
	name := ""
	if literal, ok := args[1].(*syntax.String); ok && len(kinds) == 1 {
		name = literal.Value
	}
	for _, kind := range kinds {
		g.registered = append(g.registered, registration{kind, name})
	}
}

func isString(e syntax.Expr, text string) bool {
	s, ok := e.(*syntax.String)
	return ok && s.Value == text
}

// suiteGlobal returns the shape of assert, match, spy, stub or mock in a suite that does not set that global, else nil.
func (c *checker) suiteGlobal(name string) *shape {
	if !c.Suite || c.globals.names[name] || !slices.Contains(suite.Globals, name) {
		return nil
	}
	if name == "assert" || name == "match" {
		return &shape{root: name}
	}
	key := "suite." + name
	if c.named[key] == nil {
		c.named[key] = &shape{name: name, module: &module{fields: c.words().Fields(name)}}
	}
	return c.named[key]
}

// suiteModule returns the shape of a module of busted or luassert in a suite, or nil for other modules.
func (c *checker) suiteModule(call *syntax.Call) *shape {
	if !c.Suite || len(call.Args) != 1 {
		return nil
	}
	name, ok := call.Args[0].(*syntax.String)
	if !ok || !slices.Contains(suite.Modules, name.Value) {
		return nil
	}
	return c.suiteGlobal(c.words().Module(name.Value))
}

// longer returns the shape of a name after assert or match, or nil if the suite may have set it.
func (c *checker) longer(s *shape, key *syntax.String) *shape {
	if c.globals.fields[key.Value] {
		return nil
	}
	return &shape{root: s.root, path: strings.TrimPrefix(s.path+"."+key.Value, ".")}
}

// wordCall checks a call of the names after assert or match; see suite.Vocabulary.Call.
func (c *checker) wordCall(s *shape, call *syntax.Call) (on bool, problem string) {
	given := len(call.Args)
	var args []any
	for i, a := range call.Args {
		if i == given-1 && several(a) {
			given = 1 << 20
			break
		}
		switch v := c.written(a, false).(type) {
		case string, float64, bool:
			args = append(args, v)
		default:
			args = append(args, nil)
		}
	}
	return c.words().Call(s.root, s.path, given, args)
}

// register reports an unknown kind in assert:register.
func (c *checker) register(s *shape, call *syntax.Call) {
	if s == nil || s.root != "assert" || s.path != "" || call.Method.Value != "register" || len(call.Args) == 0 {
		return
	}
	if kind, ok := call.Args[0].(*syntax.String); ok {
		if problem := c.words().Kind(kind.Value); problem != "" {
			c.report(kind.Span, Misuse, "%s", problem)
		}
	}
}

// expected notes the functions that a suite expects to raise, as in assert.has_error(function() … end). Errors in them
// are intended.
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

// aboutErrors reports whether a callee is an assertion that its argument raises.
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

// isExpected reports whether a finding is in a function that is expected to raise.
func (c *checker) isExpected(f Finding) bool {
	return f.Severity == Error && f.Code != SyntaxError && slices.ContainsFunc(c.raising, func(s syntax.Span) bool {
		return s.Contains(f.span.Start)
	})
}
