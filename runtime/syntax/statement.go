package syntax

// block reads statements up to what can't begin one.
func (p *parser) block() *Block {
	p.enter()
	defer p.leave()
	b := &Block{}
	for {
		switch p.token.kind {
		case endOfSource, "end", "else", "elseif", "until":
			return b
		case ";":
			p.advance()
			continue
		}
		s := p.statement()
		b.Stmts = append(b.Stmts, s)
		switch s.(type) {
		case *Return, *Break:
			p.accept(";")
			return b
		}
	}
}

func (p *parser) statement() Stmt {
	open := p.token
	switch open.kind {
	case "local":
		return p.local()
	case "function":
		return p.function()
	case "if":
		return p.ifs()
	case "for":
		return p.loop()
	case "while":
		p.advance()
		condition := p.expr()
		p.expect("do")
		body := p.block()
		p.close("end", open)
		return &While{isStmt{p.span(open.Start)}, condition, body}
	case "repeat":
		p.advance()
		body := p.block()
		p.close("until", open)
		condition := p.expr()
		return &Repeat{isStmt{p.span(open.Start)}, body, condition}
	case "do":
		p.advance()
		body := p.block()
		p.close("end", open)
		return &Do{isStmt{p.span(open.Start)}, body}
	case "return":
		return p.returns()
	case "break":
		p.advance()
		return &Break{isStmt{open.Span}}
	case "goto":
		p.advance()
		label := p.expect(name).text
		return &Goto{isStmt{p.span(open.Start)}, label}
	case "::":
		p.advance()
		label := p.expect(name).text
		p.expect("::")
		return &Label{isStmt{p.span(open.Start)}, label}
	}
	return p.callOrAssignment()
}

func (p *parser) local() Stmt {
	start := p.advance().Start
	if p.accept("function") {
		n := p.name()
		f := p.body(start, false)
		return &LocalFunction{isStmt{p.span(start)}, n, f}
	}
	names := p.names()
	var values []Expr
	if p.accept("=") {
		values = p.exprs()
	}
	return &Local{isStmt{p.span(start)}, names, values}
}

// function reads "function a.b:c() … end", an assignment.
func (p *parser) function() Stmt {
	start := p.advance().Start
	var target Expr = p.name()
	method := false
	for !method && (p.token.kind == "." || p.token.kind == ":") {
		method = p.advance().kind == ":"
		n := p.name()
		target = &Index{isExpr{Span{target.Spans().Start, n.End}}, target, &String{n.isExpr, n.Text}}
	}
	f := p.body(start, method)
	return &Assign{isStmt{p.span(start)}, []Expr{target}, []Expr{f}}
}

func (p *parser) ifs() Stmt {
	open := p.advance()
	s := &If{}
	for {
		s.Conditions = append(s.Conditions, p.expr())
		p.expect("then")
		s.Blocks = append(s.Blocks, p.block())
		if !p.accept("elseif") {
			break
		}
	}
	if p.accept("else") {
		s.Blocks = append(s.Blocks, p.block())
	}
	p.close("end", open)
	s.Span = p.span(open.Start)
	return s
}

func (p *parser) loop() Stmt {
	open := p.advance()
	names := p.names()
	if len(names) == 1 && p.accept("=") {
		values := p.exprs()
		if len(values) < 2 || len(values) > 3 {
			p.fail(Span{names[0].Start, p.last}, "a for counts from, to, and perhaps by a step: got %d values", len(values))
		}
		p.expect("do")
		body := p.block()
		p.close("end", open)
		return &NumericFor{isStmt{p.span(open.Start)}, names[0], values, body}
	}
	p.expect("in")
	values := p.exprs()
	p.expect("do")
	body := p.block()
	p.close("end", open)
	return &GenericFor{isStmt{p.span(open.Start)}, names, values, body}
}

func (p *parser) returns() Stmt {
	start := p.advance().Start
	var values []Expr
	switch p.token.kind {
	case endOfSource, "end", "else", "elseif", "until", ";":
	default:
		values = p.exprs()
	}
	return &Return{isStmt{p.span(start)}, values}
}

func (p *parser) callOrAssignment() Stmt {
	start := p.token.Start
	if p.token.kind != name && p.token.kind != "(" {
		p.unexpected("a statement")
	}
	first := p.suffixed()
	if p.token.kind != "=" && p.token.kind != "," {
		call, ok := first.(*Call)
		if !ok {
			p.fail(first.Spans(), "this alone is no statement: want a call or an assignment")
		}
		return &CallStmt{isStmt{p.span(start)}, call}
	}
	targets := []Expr{first}
	for p.accept(",") {
		targets = append(targets, p.suffixed())
	}
	for _, t := range targets {
		switch t.(type) {
		case *Name, *Index:
		default:
			p.fail(t.Spans(), "nothing can be assigned to this")
		}
	}
	p.expect("=")
	values := p.exprs()
	return &Assign{isStmt{p.span(start)}, targets, values}
}
