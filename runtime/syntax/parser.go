package syntax

import (
	"bytes"
	"fmt"
	"strings"
)

// The compiler is recursive and has no limits, and a stack overflow in Go ends the process. So each source is parsed by
// this package first, and refused if it exceeds these limits.
const (
	// maxNesting limits how deep blocks and brackets nest.
	maxNesting = 200
	// maxParts limits the number of names, values, operators and brackets in an expression up to the next separator.
	maxParts = 5000
)

// Parse parses a source. It skips a byte order mark and a first line that begins with #!. Its error is an *Error; the
// chunk then has the comments before the error.
func Parse(src []byte) (*Chunk, error) {
	text := string(src)
	p := newParser(text)
	p.keep = true
	chunk := &Chunk{Lines: NewLines(text)}
	err := p.parse(&chunk.Block)
	chunk.Comments = p.comments
	return chunk, err
}

// Validate returns the error of Parse without building a tree.
func Validate(src []byte) error {
	p := newParser(string(src))
	return p.parse(nil)
}

// parser is a recursive descent parser with one token of lookahead. Unless the lexer keeps values, its methods return
// no nodes. It panics with an *Error, which parse catches.
type parser struct {
	lexer
	form  form // of the last expression
	depth int  // number of open blocks and brackets
	parts int  // of the current expression
	base  int  // parts of the expressions around the innermost open bracket
	most  int  // largest number of parts since that bracket
}

// form describes how an expression can be used.
type form uint8

const (
	isValue  form = iota
	isCall        // it can be a statement; parentheses don't matter, as in gopher-lua
	isTarget      // a name or a field: it can be assigned to
)

func newParser(src string) *parser {
	p := &parser{lexer: lexer{src: src}}
	p.token.End = header(src)
	return p
}

// header returns the number of bytes before the Lua code of a source.
func header(src string) int {
	start := 0
	if strings.HasPrefix(src, byteOrderMark) {
		start = len(byteOrderMark)
	}
	if strings.HasPrefix(src[start:], "#!") {
		if end := strings.IndexByte(src[start:], '\n'); end >= 0 {
			return start + end
		}
		return len(src)
	}
	return start
}

const byteOrderMark = "\ufeff"

// parse reads the whole source. It stores the block in into, unless that is nil.
func (p *parser) parse(into *Block) (err error) {
	defer func() {
		if caught := recover(); caught != nil {
			e, ok := caught.(*Error)
			if !ok {
				panic(caught)
			}
			lines := NewLines(p.src)
			e.From, e.To = lines.Place(e.Start), lines.Place(e.End)
			err = e
		}
	}()
	p.next()
	b := p.block()
	if p.token.kind != tEnd {
		p.unexpected("a statement")
	}
	if into != nil {
		*into = *b
	}
	return nil
}

// isPart lists the kinds that count as parts of an expression. Closing brackets don't count, and all other kinds begin
// another expression.
var isPart = [kinds]bool{
	tName: true, tNumber: true, tString: true, tNil: true, tTrue: true, tFalse: true, tDots: true,
	tAnd: true, tOr: true, tNot: true, tConcat: true, tEqual: true, tNotEqual: true, tLessEqual: true,
	tGreaterEqual: true, tPlus: true, tMinus: true, tStar: true, tSlash: true, tPercent: true, tCaret: true,
	tHash: true, tLess: true, tGreater: true, tLeftParen: true, tLeftBrace: true, tLeftBracket: true, tColon: true,
	tDot: true, tFunction: true,
}

// advance reads the next token and returns the span of the current one.
func (p *parser) advance() Span {
	at := p.token.Span
	switch k := p.token.kind; {
	case isPart[k]:
		if p.parts++; p.parts > maxParts {
			p.fail(at.Start, at.End, fmt.Sprintf("an expression has more than %d parts: split it", maxParts))
		}
		p.most = max(p.most, p.parts)
	case k != tRightParen && k != tRightBrace && k != tRightBracket:
		p.parts = p.base
	}
	p.next()
	return at
}

// open advances over an opening keyword or bracket.
func (p *parser) open() opener {
	o := opener{p.token.kind, p.token.Start, p.base, p.most}
	if p.depth++; p.depth > maxNesting {
		p.fail(o.start, p.token.End, fmt.Sprintf("blocks and brackets are nested deeper than %d", maxNesting))
	}
	p.advance()
	p.base, p.most = p.parts, p.parts
	return o
}

// opener is an opening keyword or bracket, with the counts of the expression around it.
type opener struct {
	kind       kind
	start      int
	base, most int
}

// close advances over the keyword or bracket that closes o.
func (p *parser) close(k kind, o opener) {
	if p.token.kind != k {
		line := NewLines(p.src).Number(o.start)
		p.unexpected(fmt.Sprintf("'%s', to close the '%s' of line %d", k, o.kind, line))
	}
	p.depth--
	after := p.most // brackets in a row, as in f(a)(b), are as deep as the deepest of them
	if k == tEndWord || k == tUntil {
		after = p.base
	}
	p.advance()
	p.base, p.most, p.parts = o.base, max(o.most, after), after
}

func (p *parser) unexpected(expected string) {
	shown := kindNames[p.token.kind]
	switch p.token.kind {
	case tName, tNumber:
		shown = "'" + p.src[p.token.Start:p.token.End] + "'"
	case tString:
		shown = "string"
	case tEnd:
	default:
		shown = "'" + shown + "'"
	}
	message := "unexpected " + shown + ": expected " + expected
	if p.token.kind == tEnd {
		panic(&Error{Span: p.token.Span, Message: message, AtEnd: true})
	}
	p.fail(p.token.Start, p.token.End, message)
}

// accept advances over the next token if it has that kind.
func (p *parser) accept(k kind) bool {
	if p.token.kind != k {
		return false
	}
	p.advance()
	return true
}

// expect advances over the next token, which must have that kind.
func (p *parser) expect(k kind) {
	if p.token.kind != k {
		p.unexpected("'" + k.String() + "'")
	}
	p.advance()
}

// span returns the span from start to the end of the last token.
func (p *parser) span(start int) Span { return Span{start, p.last} }

func (p *parser) name() *Name {
	if p.token.kind != tName {
		p.unexpected("a name")
	}
	at := p.advance()
	if !p.keep {
		return nil
	}
	return &Name{isExpr{at}, p.src[at.Start:at.End]}
}

// key reads a name as the key of a field, or as the name of a method.
func (p *parser) key() *String {
	if n := p.name(); n != nil {
		return &String{n.isExpr, n.Text}
	}
	return nil
}

// names reads a list of names and returns it with its length.
func (p *parser) names() (all []*Name, n int) {
	for {
		name := p.name()
		if n++; p.keep {
			all = append(all, name)
		}
		if !p.accept(tComma) {
			return all, n
		}
	}
}

// block reads statements up to a token that can't begin one.
func (p *parser) block() *Block {
	b := &noBlock
	if p.keep {
		b = &Block{}
	}
	for {
		switch p.token.kind {
		case tEnd, tEndWord, tElse, tElseif, tUntil:
			return b
		case tSemicolon:
			p.advance()
			continue
		}
		last := p.token.kind == tReturn || p.token.kind == tBreak
		p.parts = p.base
		s := p.statement()
		if p.keep {
			b.Stmts = append(b.Stmts, s)
		}
		if last {
			p.accept(tSemicolon)
			return b
		}
	}
}

// noBlock is used for every block if no nodes are made.
var noBlock Block

func (p *parser) statement() Stmt {
	switch p.token.kind {
	case tLocal:
		return p.local()
	case tFunction:
		return p.functionStatement()
	case tIf:
		return p.ifStatement()
	case tFor:
		return p.forStatement()
	case tWhile:
		return p.whileStatement()
	case tRepeat:
		return p.repeatStatement()
	case tDo:
		o := opener{kind: tDo, start: p.token.Start}
		body := p.doBlock(o)
		if !p.keep {
			return nil
		}
		return &Do{isStmt{p.span(o.start)}, body}
	case tReturn:
		return p.returnStatement()
	case tBreak:
		at := p.advance()
		if !p.keep {
			return nil
		}
		return &Break{isStmt{at}}
	case tGoto:
		start := p.advance().Start
		label := p.name()
		if !p.keep {
			return nil
		}
		return &Goto{isStmt{p.span(start)}, label.Text}
	case tColons:
		start := p.advance().Start
		label := p.name()
		p.expect(tColons)
		if !p.keep {
			return nil
		}
		return &Label{isStmt{p.span(start)}, label.Text}
	}
	return p.callOrAssignment()
}

// doBlock reads "do … end". Errors about a missing end name o, the first keyword of the statement.
func (p *parser) doBlock(o opener) *Block {
	if p.token.kind != tDo {
		p.unexpected("'do'")
	}
	do := p.open()
	do.kind, do.start = o.kind, o.start
	body := p.block()
	p.close(tEndWord, do)
	return body
}

func (p *parser) local() Stmt {
	start := p.advance().Start
	if p.token.kind == tFunction {
		o := p.open()
		o.start = start
		n := p.name()
		f := p.function(o, false)
		if !p.keep {
			return nil
		}
		return &LocalFunction{isStmt{p.span(start)}, n, f}
	}
	names, _ := p.names()
	var values []Expr
	if p.accept(tAssign) {
		values, _ = p.exprs()
	}
	if !p.keep {
		return nil
	}
	return &Local{isStmt{p.span(start)}, names, values}
}

// functionStatement reads "function a.b:c() … end", an assignment.
func (p *parser) functionStatement() Stmt {
	o := p.open()
	first := p.token.Start
	n := p.name()
	var target Expr = n
	method := false
	for !method && (p.token.kind == tDot || p.token.kind == tColon) {
		method = p.token.kind == tColon
		p.advance()
		key := p.key()
		if p.keep {
			target = &Index{isExpr{p.span(first)}, target, key}
		}
	}
	f := p.function(o, method)
	if !p.keep {
		return nil
	}
	return &Assign{isStmt{p.span(o.start)}, []Expr{target}, []Expr{f}}
}

func (p *parser) ifStatement() Stmt {
	var conditions []Expr
	var blocks []*Block
	o := p.open()
	for {
		condition := p.expr()
		p.expect(tThen)
		body := p.block()
		if p.keep {
			conditions, blocks = append(conditions, condition), append(blocks, body)
		}
		if !p.accept(tElseif) {
			break
		}
	}
	if p.accept(tElse) {
		if body := p.block(); p.keep {
			blocks = append(blocks, body)
		}
	}
	p.close(tEndWord, o)
	if !p.keep {
		return nil
	}
	return &If{isStmt{p.span(o.start)}, conditions, blocks}
}

func (p *parser) whileStatement() Stmt {
	o := opener{kind: tWhile, start: p.advance().Start}
	condition := p.expr()
	body := p.doBlock(o)
	if !p.keep {
		return nil
	}
	return &While{isStmt{p.span(o.start)}, condition, body}
}

func (p *parser) repeatStatement() Stmt {
	o := p.open()
	body := p.block()
	p.close(tUntil, o)
	condition := p.expr()
	if !p.keep {
		return nil
	}
	return &Repeat{isStmt{p.span(o.start)}, body, condition}
}

func (p *parser) forStatement() Stmt {
	o := opener{kind: tFor, start: p.advance().Start}
	first := p.token.Start
	names, n := p.names()
	if n == 1 && p.accept(tAssign) {
		values, n := p.exprs()
		if n < 2 || n > 3 {
			message := fmt.Sprintf("a numeric for takes 2 or 3 values, start, limit and step: got %d", n)
			p.fail(first, p.last, message)
		}
		body := p.doBlock(o)
		if !p.keep {
			return nil
		}
		return &NumericFor{isStmt{p.span(o.start)}, names[0], values, body}
	}
	p.expect(tIn)
	values, _ := p.exprs()
	body := p.doBlock(o)
	if !p.keep {
		return nil
	}
	return &GenericFor{isStmt{p.span(o.start)}, names, values, body}
}

func (p *parser) returnStatement() Stmt {
	start := p.advance().Start
	var values []Expr
	switch p.token.kind {
	case tEnd, tEndWord, tElse, tElseif, tUntil, tSemicolon:
	default:
		values, _ = p.exprs()
	}
	if !p.keep {
		return nil
	}
	return &Return{isStmt{p.span(start)}, values}
}

func (p *parser) callOrAssignment() Stmt {
	start := p.token.Start
	if p.token.kind != tName && p.token.kind != tLeftParen {
		p.unexpected("a statement")
	}
	first := p.suffixed()
	if p.token.kind != tAssign && p.token.kind != tComma {
		if p.form != isCall {
			p.fail(start, p.last, "not a statement: expected a call or an assignment")
		}
		if !p.keep {
			return nil
		}
		for {
			paren, ok := first.(*Paren)
			if !ok {
				return &CallStmt{isStmt{p.span(start)}, first.(*Call)}
			}
			first = paren.Inner
		}
	}
	var targets []Expr
	for {
		if p.form != isTarget {
			p.fail(start, p.last, "can't assign to this: only to names and fields")
		}
		if p.keep {
			targets = append(targets, first)
		}
		if !p.accept(tComma) {
			break
		}
		start = p.token.Start
		first = p.suffixed()
	}
	p.expect(tAssign)
	values, _ := p.exprs()
	if !p.keep {
		return nil
	}
	return &Assign{isStmt{Span{targets[0].Spans().Start, p.last}}, targets, values}
}

// binding is the precedence of an operator on its left and right side; 0 for other kinds.
var binding = [kinds]struct{ left, right uint8 }{
	tOr: {1, 1}, tAnd: {2, 2},
	tLess: {3, 3}, tGreater: {3, 3}, tLessEqual: {3, 3}, tGreaterEqual: {3, 3}, tNotEqual: {3, 3}, tEqual: {3, 3},
	tConcat: {5, 4}, tPlus: {6, 6}, tMinus: {6, 6}, tStar: {7, 7}, tSlash: {7, 7}, tPercent: {7, 7}, tCaret: {10, 9},
}

const unaryBinding = 8

func (p *parser) expr() Expr { return p.operation(0) }

// exprs reads a list of expressions and returns it with its length.
func (p *parser) exprs() (all []Expr, n int) {
	for {
		e := p.expr()
		if n++; p.keep {
			all = append(all, e)
		}
		if !p.accept(tComma) {
			return all, n
		}
	}
}

// operation reads an operand and the operators after it whose precedence is higher than limit.
func (p *parser) operation(limit uint8) Expr {
	start := p.token.Start
	var left Expr
	switch k := p.token.kind; k {
	case tNot, tMinus, tHash:
		p.advance()
		operand := p.operation(unaryBinding)
		p.form = isValue
		if p.keep {
			left = &Unary{isExpr{p.span(start)}, k.String(), operand}
		}
	default:
		left = p.operand()
	}
	for {
		k := p.token.kind
		if binding[k].left <= limit {
			return left
		}
		p.advance()
		right := p.operation(binding[k].right)
		p.form = isValue
		if p.keep {
			left = &Binary{isExpr{p.span(start)}, k.String(), left, right}
		}
	}
}

// operand reads an expression without operators.
func (p *parser) operand() Expr {
	t := &p.token
	switch t.kind {
	case tName, tLeftParen:
		return p.suffixed()
	case tFunction:
		o := p.open()
		f := p.function(o, false)
		p.form = isValue
		if !p.keep {
			return nil
		}
		return f
	case tLeftBrace:
		table := p.table()
		p.form = isValue
		if !p.keep {
			return nil
		}
		return table
	case tNil, tTrue, tFalse, tNumber, tString, tDots:
	default:
		p.unexpected("an expression")
	}
	p.form = isValue
	if !p.keep {
		p.advance()
		return nil
	}
	defer p.advance()
	switch t.kind {
	case tTrue, tFalse:
		return &Boolean{isExpr{t.Span}, t.kind == tTrue}
	case tNumber:
		return &Number{isExpr{t.Span}, t.number}
	case tString:
		return &String{isExpr{t.Span}, t.value}
	case tDots:
		return &Vararg{isExpr{t.Span}}
	}
	return &Nil{isExpr{t.Span}}
}

// suffixed reads a name or an expression in parentheses, and the fields and calls after it.
func (p *parser) suffixed() Expr {
	start := p.token.Start
	var e Expr
	switch p.token.kind {
	case tName:
		n := p.name()
		p.form = isTarget
		if p.keep {
			e = n
		}
	case tLeftParen:
		o := p.open()
		inner := p.expr()
		p.close(tRightParen, o)
		if p.form != isCall {
			p.form = isValue
		}
		if p.keep {
			e = &Paren{isExpr{p.span(start)}, inner}
		}
	default:
		p.unexpected("an expression")
	}
	for {
		switch p.token.kind {
		case tDot:
			p.advance()
			key := p.key()
			p.form = isTarget
			if p.keep {
				e = &Index{isExpr{p.span(start)}, e, key}
			}
		case tLeftBracket:
			o := p.open()
			key := p.expr()
			p.close(tRightBracket, o)
			p.form = isTarget
			if p.keep {
				e = &Index{isExpr{p.span(start)}, e, key}
			}
		case tColon:
			p.advance()
			e = p.call(start, e, p.key())
		case tLeftParen, tLeftBrace, tString:
			e = p.call(start, e, nil)
		default:
			return e
		}
	}
}

// call reads the arguments of a call whose expression begins at start.
func (p *parser) call(start int, callee Expr, method *String) Expr {
	var args []Expr
	first := p.token.Start
	switch p.token.kind {
	case tLeftParen:
		o := p.open()
		if p.token.kind != tRightParen {
			args, _ = p.exprs()
		}
		p.close(tRightParen, o)
	case tLeftBrace:
		if table := p.table(); p.keep {
			args = []Expr{table}
		}
	case tString:
		if p.keep {
			args = []Expr{&String{isExpr{p.token.Span}, p.token.value}}
		}
		p.advance()
	default:
		p.unexpected("the arguments of a call")
	}
	p.form = isCall
	if !p.keep {
		return nil
	}
	return &Call{isExpr{p.span(start)}, callee, method, args, first}
}

func (p *parser) table() *Table {
	var fields []Field
	o := p.open()
	for p.token.kind != tRightBrace {
		f := p.field()
		if p.keep {
			fields = append(fields, f)
		}
		if !p.accept(tComma) && !p.accept(tSemicolon) {
			break
		}
	}
	p.close(tRightBrace, o)
	if !p.keep {
		return nil
	}
	return &Table{isExpr{p.span(o.start)}, fields}
}

func (p *parser) field() Field {
	if p.token.kind == tLeftBracket {
		o := p.open()
		key := p.expr()
		p.close(tRightBracket, o)
		p.expect(tAssign)
		return Field{key, p.expr()}
	}
	first := p.token
	value := p.expr()
	if first.kind != tName || first.End != p.last || !p.accept(tAssign) {
		return Field{nil, value}
	}
	var key Expr
	if p.keep {
		key = &String{isExpr{first.Span}, p.src[first.Start:first.End]}
	}
	return Field{key, p.expr()}
}

// function reads a function from its parameters on. The keyword function has been read; o is its opener.
func (p *parser) function(o opener, method bool) *Function {
	if p.token.kind != tLeftParen {
		p.unexpected("'('")
	}
	var params []*Name
	variadic := false
	paren := p.open()
	for p.token.kind != tRightParen {
		if p.accept(tDots) {
			variadic = true
			break
		}
		if n := p.name(); p.keep {
			params = append(params, n)
		}
		if !p.accept(tComma) {
			break
		}
		if p.token.kind == tRightParen {
			p.unexpected("a name")
		}
	}
	p.close(tRightParen, paren)
	body := p.block()
	p.close(tEndWord, o)
	if !p.keep {
		return nil
	}
	return &Function{isExpr{p.span(o.start)}, params, variadic, method, body}
}

// ForGopherLua returns a source that Validate accepts in a form that gopher-lua's parser reads correctly. That parser
// takes every comment that begins with --[= for a long comment. ForGopherLua replaces such bytes and keeps the length
// of the source.
func ForGopherLua(src []byte) []byte {
	if !bytes.Contains(src, []byte("--[=")) {
		return src
	}
	chunk, err := Parse(src)
	if err != nil {
		return src
	}
	changed := src
	for _, c := range chunk.Comments {
		if !strings.HasPrefix(c.Text, "[=") || c.End-c.Start != len("--")+len(c.Text) { // the text of a long comment is shorter
			continue
		}
		if &changed[0] == &src[0] {
			changed = bytes.Clone(src)
		}
		changed[c.Start+len("--")] = ' '
	}
	return changed
}
