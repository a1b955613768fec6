// Package check finds in Lua sources what a run would refuse, and what is certainly a slip, without
// running anything. It knows the declarations of builtins; what their arguments must be like it asks
// package runtime, so that a finding has the words of a run.
//
// It speaks only where it is certain: of a value that only a run can tell it says nothing.
package check

import (
	"errors"
	"io/fs"
	"slices"

	"dkvrun/runtime"
	"dkvrun/runtime/suite"
	"dkvrun/runtime/syntax"
)

// Config is what sources are checked against.
type Config struct {
	Builtins []runtime.Builtin
	Objects  []*runtime.ObjectType
	Records  []*runtime.RecordType
	// Suite is set for the sources of suites: they find the words of package suite.
	Suite bool
	// Path and Stdlib are where require looks after the script's folder; see runtime.Options.
	Path   []string
	Stdlib fs.FS
}

// Source checks one source. File is what findings call it, and its folder is where require looks first.
// The findings come in the order of their places.
func Source(config Config, file string, src []byte) []Finding {
	if config.Suite {
		config.Builtins = slices.Concat(config.Builtins, suite.Spellings())
	}
	c := &checker{
		Config: config, file: file, modules: map[string]*module{},
		named: map[string]*shape{}, shapes: map[*variable]*shape{},
	}
	c.host = runtime.New(runtime.Options{Builtins: config.Builtins, Script: file, Path: config.Path, Stdlib: config.Stdlib})
	defer c.close()
	if len(src) > runtime.MaxSource {
		c.lines = syntax.NewLines(string(src))
		c.report(c.lines.Line(1), SyntaxError, "%s", runtime.TooLarge)
		return c.findings
	}
	chunk, err := syntax.Parse(src)
	c.lines = chunk.Lines
	var refused *syntax.Error
	if errors.As(err, &refused) {
		c.report(refused.Span, SyntaxError, "%s", refused.Message)
		return c.sorted(chunk.Comments)
	}
	if c.compile(src); len(c.findings) > 0 {
		return c.sorted(chunk.Comments)
	}
	c.chunk = chunk
	c.loads = loadsModules(&chunk.Block)
	c.scopes = resolve(&chunk.Block)
	c.globals = c.gather(c.scopes, &chunk.Block)
	c.undefined()
	c.walk()
	c.unused()
	return c.sorted(chunk.Comments)
}

// close frees what answered questions.
func (c *checker) close() {
	c.host.Close()
	if c.vocabulary != nil {
		c.vocabulary.Close()
	}
}

// checker checks one source.
type checker struct {
	Config
	host     *runtime.Host
	file     string
	chunk    *syntax.Chunk
	lines    *syntax.Lines
	scopes   *scopes
	globals  *globals
	modules  map[string]*module   // what require gives, by name
	loads    bool                 // the source may say itself what require gives
	named    map[string]*shape    // by the names that declarations use
	shapes   map[*variable]*shape // those that are known, or being found out
	raising  []syntax.Span        // functions that are meant to raise
	findings []Finding

	vocabulary *suite.Vocabulary // see words
}

// compile reports errors that only the compiler finds, such as a goto without its label.
func (c *checker) compile(src []byte) {
	var e *runtime.Error
	if errors.As(c.host.Compiles(c.file, src), &e) {
		c.report(c.lines.Line(min(max(1, e.Line), c.lines.Len())), SyntaxError, "%s", e.Message)
	}
}

// walk looks at every expression, outer ones first.
func (c *checker) walk() {
	written, called := map[syntax.Node]bool{}, map[syntax.Node]bool{}
	syntax.WalkBlock(&c.chunk.Block, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Assign:
			for _, t := range n.Targets {
				written[t] = true
				c.write(t)
			}
		case *syntax.Index:
			if !written[n] {
				c.field(n, called[n])
			}
		case *syntax.Call:
			called[n.Callee] = n.Method == nil
			c.expected(n)
			c.call(n)
		case *syntax.Table:
			c.table(n)
		}
		return true
	})
}
