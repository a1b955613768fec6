package syntax

import "fmt"

// maxDepth is how deep expressions and blocks may nest. The runtime's own bound is lower.
const maxDepth = 10000

// Parse reads a source. A byte order mark and a first line that begins with #! are passed over. Its
// error is an *Error.
func Parse(src []byte) (*Chunk, error) {
	p := &parser{lexer: newLexer(string(src))}
	chunk := &Chunk{}
	err := p.try(func() {
		p.advance()
		chunk.Block = *p.block()
		if p.token.kind != endOfSource {
			p.unexpected("a statement")
		}
	})
	chunk.Comments = p.lexer.comments
	return chunk, err
}

// parser reads by recursive descent, one token ahead. It panics with an *Error, which try catches.
type parser struct {
	lexer *lexer
	token token // the next one
	last  Place // the end of the one before
	depth int
}

func (p *parser) try(parse func()) (err error) {
	defer func() {
		if caught := recover(); caught != nil {
			e, ok := caught.(*Error)
			if !ok {
				panic(caught)
			}
			err = e
		}
	}()
	parse()
	return nil
}

// advance goes on to the next token and returns the present one.
func (p *parser) advance() token {
	before := p.token
	p.last = before.End
	t, err := p.lexer.next()
	if err != nil {
		panic(err)
	}
	p.token = t
	return before
}

func (p *parser) fail(at Span, format string, args ...any) {
	panic(&Error{at, fmt.Sprintf(format, args...)})
}

func (p *parser) unexpected(want string) {
	p.fail(p.token.Span, "unexpected %s: want %s", p.token.shown(), want)
}

// accept takes the next token if it is of that kind.
func (p *parser) accept(k kind) bool {
	if p.token.kind != k {
		return false
	}
	p.advance()
	return true
}

func (p *parser) expect(k kind) token {
	if p.token.kind != k {
		want := "'" + string(k) + "'"
		if k == name {
			want = string(k)
		}
		p.unexpected(want)
	}
	return p.advance()
}

// close takes the word or bracket that ends what open began.
func (p *parser) close(k kind, open token) {
	if p.token.kind == k {
		p.advance()
		return
	}
	p.unexpected(fmt.Sprintf("'%s', to close the '%s' of line %d", k, open.kind, open.Start.Line))
}

func (p *parser) enter() {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.token.Span, "blocks and brackets are nested too deep")
	}
}

func (p *parser) leave() { p.depth-- }

// span is from start to the end of the last token.
func (p *parser) span(start Place) Span { return Span{start, p.last} }

func (p *parser) name() *Name {
	t := p.expect(name)
	return &Name{isExpr{t.Span}, t.text}
}

func (p *parser) names() []*Name {
	all := []*Name{p.name()}
	for p.accept(",") {
		all = append(all, p.name())
	}
	return all
}
