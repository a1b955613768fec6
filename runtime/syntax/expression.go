package syntax

// binding is how strong the operators hold their left and right sides.
var binding = map[kind]struct{ left, right int }{
	"or": {1, 1}, "and": {2, 2},
	"<": {3, 3}, ">": {3, 3}, "<=": {3, 3}, ">=": {3, 3}, "~=": {3, 3}, "==": {3, 3},
	"..": {5, 4}, "+": {6, 6}, "-": {6, 6}, "*": {7, 7}, "/": {7, 7}, "%": {7, 7}, "^": {10, 9},
}

const unaryBinding = 8

func (p *parser) expr() Expr { return p.operation(0) }

func (p *parser) exprs() []Expr {
	all := []Expr{p.expr()}
	for p.accept(",") {
		all = append(all, p.expr())
	}
	return all
}

// operation reads operators that hold stronger than limit.
func (p *parser) operation(limit int) Expr {
	p.enter()
	defer p.leave()
	start := p.token.Start
	var left Expr
	switch p.token.kind {
	case "not", "-", "#":
		operator := string(p.advance().kind)
		operand := p.operation(unaryBinding)
		left = &Unary{isExpr{p.span(start)}, operator, operand}
	default:
		left = p.simple()
	}
	for {
		b, ok := binding[p.token.kind]
		if !ok || b.left <= limit {
			return left
		}
		operator := string(p.advance().kind)
		right := p.operation(b.right)
		left = &Binary{isExpr{p.span(start)}, operator, left, right}
	}
}

func (p *parser) simple() Expr {
	t := p.token
	switch t.kind {
	case "nil":
		p.advance()
		return &Nil{isExpr{t.Span}}
	case "true", "false":
		p.advance()
		return &Boolean{isExpr{t.Span}, t.kind == "true"}
	case number:
		p.advance()
		return &Number{isExpr{t.Span}, t.number}
	case text:
		p.advance()
		return &String{isExpr{t.Span}, t.text}
	case "...":
		p.advance()
		return &Vararg{isExpr{t.Span}}
	case "{":
		return p.table()
	case "function":
		p.advance()
		return p.body(t.Start, false)
	}
	return p.suffixed()
}

// suffixed reads a name or parentheses, and what follows of .key, [key], :method() and ().
func (p *parser) suffixed() Expr {
	start := p.token.Start
	var e Expr
	switch p.token.kind {
	case name:
		e = p.name()
	case "(":
		open := p.advance()
		inner := p.expr()
		p.close(")", open)
		e = &Paren{isExpr{p.span(start)}, inner}
	default:
		p.unexpected("an expression")
	}
	for {
		switch p.token.kind {
		case ".":
			p.advance()
			n := p.name()
			e = &Index{isExpr{p.span(start)}, e, &String{n.isExpr, n.Text}}
		case "[":
			open := p.advance()
			key := p.expr()
			p.close("]", open)
			e = &Index{isExpr{p.span(start)}, e, key}
		case ":":
			p.advance()
			n := p.name()
			e = p.call(start, e, &String{n.isExpr, n.Text})
		case "(", "{", text:
			e = p.call(start, e, nil)
		default:
			return e
		}
	}
}

func (p *parser) call(start Place, callee Expr, method *String) Expr {
	c := &Call{Callee: callee, Method: method, Open: p.token.Start}
	switch t := p.token; t.kind {
	case "(":
		p.advance()
		if p.token.kind != ")" {
			c.Args = p.exprs()
		}
		p.close(")", t)
	case "{":
		c.Args = []Expr{p.table()}
	case text:
		p.advance()
		c.Args = []Expr{&String{isExpr{t.Span}, t.text}}
	default:
		p.unexpected("the arguments of a call")
	}
	c.Span = p.span(start)
	return c
}

func (p *parser) table() Expr {
	open := p.expect("{")
	t := &Table{}
	for p.token.kind != "}" {
		t.Fields = append(t.Fields, p.field())
		if !p.accept(",") && !p.accept(";") {
			break
		}
	}
	p.close("}", open)
	t.Span = p.span(open.Start)
	return t
}

func (p *parser) field() Field {
	if open := p.token; open.kind == "[" {
		p.advance()
		key := p.expr()
		p.close("]", open)
		p.expect("=")
		return Field{key, p.expr()}
	}
	value := p.expr()
	if n, ok := value.(*Name); ok && p.accept("=") {
		return Field{&String{n.isExpr, n.Text}, p.expr()}
	}
	return Field{nil, value}
}

// body reads a function from its parameters on.
func (p *parser) body(start Place, method bool) *Function {
	f := &Function{Method: method}
	open := token{Span: Span{start, start}, kind: "function"}
	bracket := p.expect("(")
	for p.token.kind != ")" {
		if p.accept("...") {
			f.Variadic = true
			break
		}
		f.Params = append(f.Params, p.name())
		if !p.accept(",") {
			break
		}
		if p.token.kind == ")" {
			p.unexpected("a name")
		}
	}
	p.close(")", bracket)
	f.Body = p.block()
	p.close("end", open)
	f.Span = p.span(start)
	return f
}
