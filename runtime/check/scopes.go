package check

import "dkvrun/runtime/syntax"

// variable is a local, a parameter or a loop variable.
type variable struct {
	name *syntax.Name
	// local is the statement that declares it; nil for parameters and loop variables.
	local syntax.Stmt
	// values are all values that are assigned to it; opaque is set if it has others, too.
	values []value
	opaque bool
	// counts is set if it is a number: the variable of a numeric for, and the first variable over ipairs.
	counts bool
	// loop is the iterated expression of a generic for, if this is its second variable.
	loop  syntax.Expr
	reads []*syntax.Name
	// function is set for a local function.
	function *syntax.Function
}

// value is an assigned expression; expr is nil if no expression is left for the variable. later is set if it is not the
// expression's first value.
type value struct {
	expr  syntax.Expr
	later bool
}

// scopes maps names to variables.
type scopes struct {
	variables []*variable // in the order of the source
	locals    map[*syntax.Name]*variable
	// reads and writes are those of globals.
	reads, writes []*syntax.Name
}

// resolve finds the variable of each name in a block.
func resolve(b *syntax.Block) *scopes {
	r := &resolver{scopes: &scopes{locals: map[*syntax.Name]*variable{}}}
	r.block(b)
	return r.scopes
}

// resolver walks a block and keeps the visible variables.
type resolver struct {
	*scopes
	visible []*variable
}

// scoped runs f and removes the variables that f declared from the visible ones.
func (r *resolver) scoped(f func()) {
	n := len(r.visible)
	f()
	r.visible = r.visible[:n]
}

func (r *resolver) declare(v *variable) *variable {
	r.variables = append(r.variables, v)
	r.visible = append(r.visible, v)
	r.locals[v.name] = v
	return v
}

func (r *resolver) find(n *syntax.Name) *variable {
	for i := len(r.visible) - 1; i >= 0; i-- {
		if r.visible[i].name.Text == n.Text {
			return r.visible[i]
		}
	}
	return nil
}

func (r *resolver) block(b *syntax.Block) {
	r.scoped(func() { r.stmts(b) })
}

func (r *resolver) stmts(b *syntax.Block) {
	for _, s := range b.Stmts {
		r.stmt(s)
	}
}

func (r *resolver) stmt(s syntax.Stmt) {
	switch s := s.(type) {
	case *syntax.Local:
		r.exprs(s.Values...)
		for i, n := range s.Names {
			r.declare(&variable{name: n, local: s, values: []value{nth(s.Values, i)}})
		}
	case *syntax.LocalFunction:
		r.declare(&variable{name: s.Name, local: s, values: []value{{expr: s.Function}}, function: s.Function})
		r.expr(s.Function)
	case *syntax.Assign:
		r.exprs(s.Values...)
		for i, t := range s.Targets {
			n, ok := t.(*syntax.Name)
			if !ok {
				r.expr(t)
			} else if v := r.find(n); v != nil {
				r.locals[n] = v
				v.values = append(v.values, nth(s.Values, i))
			} else {
				r.writes = append(r.writes, n)
			}
		}
	case *syntax.CallStmt:
		r.expr(s.Call)
	case *syntax.Do:
		r.block(s.Body)
	case *syntax.While:
		r.expr(s.Condition)
		r.block(s.Body)
	case *syntax.Repeat:
		r.scoped(func() {
			r.stmts(s.Body)
			r.expr(s.Condition)
		})
	case *syntax.If:
		r.exprs(s.Conditions...)
		for _, b := range s.Blocks {
			r.block(b)
		}
	case *syntax.NumericFor:
		r.exprs(s.Range...)
		r.scoped(func() {
			r.declare(&variable{name: s.Name, opaque: true, counts: true})
			r.stmts(s.Body)
		})
	case *syntax.GenericFor:
		r.exprs(s.Values...)
		r.scoped(func() {
			for i, n := range s.Names {
				v := r.declare(&variable{name: n, opaque: true})
				if call, ok := s.Values[0].(*syntax.Call); ok && i == 0 {
					v.counts = isGlobal(r.scopes, call.Callee, "ipairs")
				}
				if i == 1 && len(s.Values) == 1 {
					v.loop = s.Values[0]
				}
			}
			r.stmts(s.Body)
		})
	case *syntax.Return:
		r.exprs(s.Values...)
	}
}

// nth returns the value that the i-th target of an assignment gets.
func nth(values []syntax.Expr, i int) value {
	if i < len(values) {
		return value{expr: values[i]}
	}
	if n := len(values); n > 0 && several(values[n-1]) {
		return value{values[n-1], true}
	}
	return value{}
}

// several reports whether an expression can have any number of values.
func several(e syntax.Expr) bool {
	switch e.(type) {
	case *syntax.Call, *syntax.Vararg:
		return true
	}
	return false
}

func (r *resolver) exprs(all ...syntax.Expr) {
	for _, e := range all {
		r.expr(e)
	}
}

func (r *resolver) expr(e syntax.Expr) {
	syntax.Walk(e, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Name:
			if v := r.find(n); v != nil {
				r.locals[n] = v
				v.reads = append(v.reads, n)
			} else {
				r.reads = append(r.reads, n)
			}
		case *syntax.Function:
			r.function(n)
			return false
		}
		return true
	})
}

func (r *resolver) function(f *syntax.Function) {
	r.scoped(func() {
		if f.Method {
			r.declare(&variable{name: &syntax.Name{Text: "self"}, opaque: true})
		}
		for _, p := range f.Params {
			r.declare(&variable{name: p, opaque: true})
		}
		r.stmts(f.Body)
	})
}
