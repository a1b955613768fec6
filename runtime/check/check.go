// Package check is a linter: it finds errors that a run would raise, and certain mistakes that a run does not notice,
// without running anything. It knows the declarations of builtins. Package runtime checks their arguments, so that
// findings have the messages of a run.
//
// It has no false positives: it reports nothing about values that are only known in a run.
package check

import (
	"errors"
	"io/fs"
	"slices"

	"dkvrun/runtime"
	"dkvrun/runtime/suite"
	"dkvrun/runtime/syntax"
)

// Config says what scripts can call and where require looks.
type Config struct {
	Builtins []runtime.Builtin
	Objects  []*runtime.ObjectType
	Records  []*runtime.RecordType
	// Suite is set for suites, which can call the functions of package suite.
	Suite bool
	// Path and Stdlib are searched by require after the script's folder; see runtime.Options.
	Path   []string
	Stdlib fs.FS
}

// Source checks one source. Findings name it as file, and require looks first in the folder of file. The findings are
// in the order of their places.
func Source(config Config, file string, src []byte) []Finding {
	if config.Suite {
		config.Builtins = slices.Concat(config.Builtins, suite.Spellings())
	}
	c := &checker{
		Config: config, file: file, modules: map[string]*module{},
		named: map[string]*shape{}, shapes: map[*variable]*shape{},
	}
	c.host = runtime.New(runtime.Options{Builtins: config.Builtins, Script: file, Path: config.Path,
		Stdlib: config.Stdlib})
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

// close closes the hosts.
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
	modules  map[string]*module   // by the name that require gets
	loads    bool                 // the source uses package.preload or package.loaded
	named    map[string]*shape    // by the type's name in declarations
	shapes   map[*variable]*shape // nil while one is being inferred
	raising  []syntax.Span        // functions that a suite expects to raise
	findings []Finding

	vocabulary *suite.Vocabulary // made by words
}

// compile reports errors that only the compiler finds, such as a goto without its label.
func (c *checker) compile(src []byte) {
	var e *runtime.Error
	if errors.As(c.host.Compiles(c.file, src), &e) {
		c.report(c.lines.Line(min(max(1, e.Line), c.lines.Len())), SyntaxError, "%s", e.Message)
	}
}

// walk checks every expression, outer ones first.
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
