package rewrite

import (
	"fmt"
	"slices"

	"github.com/yuin/gopher-lua/ast"
)

// gopher-lua 1.1.2 compiles these assignments wrongly. Issue #440 is about several targets, #280 about conditions; no
// issue is known for values in parentheses. Examples:
//
//   - a, b = b, a for locals a and b: both get the value of b;
//   - g, t.k = x, y for a global g and locals x and y: g gets the register below that of its value;
//   - v, v.k = {}, 1 for a local v: the field is set in the new table;
//   - v = x.y and z for a local v: v keeps its value if x.y is false or nil;
//   - v = 1, f(v) for a local v: f gets the new value;
//   - v = (f(v)) for a parameter v, the last one: f gets itself;
//   - v = (...) for a local v: the locals after it are lost.
//
// The rewriter replaces such an assignment with a block. The block first stores the tables and keys of fields in
// locals, then the values. It then assigns to one variable or field at a time, from the last to the first, as Lua 5.1
// does. Constants need no local. The last value needs none either, because it is assigned first.

// maxNames limits the locals of a function including those of the block. Above the limit the block stores everything in
// one table instead. A function has 200 registers in gopher-lua.
const maxNames = 190

// compilesWrongly reports whether gopher-lua may compile an assignment wrongly.
func (m *rewriter) compilesWrongly(s *ast.AssignStmt) bool {
	if len(s.Lhs) != len(s.Rhs) {
		return true
	}
	if len(s.Lhs) == 1 { // the operator .. has become a call that is cut to one value
		return m.isLocal(s.Lhs[0]) && (isLogical(s.Rhs[0]) || isCutToOne(s.Rhs[0]))
	}
	variable := false
	for i, target := range s.Lhs {
		if _, ok := target.(*ast.IdentExpr); ok {
			variable = true
		} else if variable {
			return true
		}
		if m.isLocal(target) || isLogical(s.Rhs[i]) || isCutToOne(s.Rhs[i]) || mayGiveSeveral(s.Rhs[i]) {
			return true
		}
	}
	return false
}

// lacksRegisters reports whether the values of an assignment, and the tables and keys of its fields, may not have a
// register each beside the locals.
func (m *rewriter) lacksRegisters(s *ast.AssignStmt) bool {
	return len(s.Lhs) > 1 && len(m.locals)+3*len(s.Lhs) > maxNames
}

// isLocal reports whether an expression is a local of the current function.
func (m *rewriter) isLocal(e ast.Expr) bool {
	ident, ok := e.(*ast.IdentExpr)
	return ok && slices.Contains(m.locals, ident.Value)
}

// isLogical reports whether an expression is an "and" or "or".
func isLogical(e ast.Expr) bool {
	_, ok := e.(*ast.LogicalOpExpr)
	return ok
}

// block collects the expressions that an assignment evaluates before it assigns anything.
type block struct {
	assign  *ast.AssignStmt
	targets []ast.Expr  // the tables and keys of fields
	values  []ast.Expr  // the values; the last can be several
	places  []*ast.Expr // the places that use the targets and then the values, in this order
}

// compilesLast reports whether gopher-lua compiles the assignment of the last value to the last target correctly.
func (m *rewriter) compilesLast(s *ast.AssignStmt) bool {
	i := len(s.Lhs) - 1
	return !m.compilesWrongly(&ast.AssignStmt{Lhs: s.Lhs[i:], Rhs: s.Rhs[i:]})
}

// inBlock returns the block that replaces an assignment.
func (m *rewriter) inBlock(s *ast.AssignStmt) ast.Stmt {
	b := block{assign: s}
	for _, target := range s.Lhs {
		if field, ok := target.(*ast.AttrGetExpr); ok {
			m.evaluate(&b, &field.Object)
			if !isConstant(field.Key) {
				m.evaluate(&b, &field.Key)
			}
		}
	}
	n := len(s.Lhs)
	paired := len(s.Rhs) == n
	assigned := make([]ast.Stmt, n)
	for i, target := range s.Lhs {
		stmt := &ast.AssignStmt{Lhs: []ast.Expr{target}, Rhs: []ast.Expr{nil}}
		if paired && (isConstant(s.Rhs[i]) || i == n-1 && m.compilesLast(s)) {
			stmt.Rhs[0] = s.Rhs[i]
		} else {
			b.places = append(b.places, &stmt.Rhs[0])
			if paired {
				b.values = append(b.values, cutUnlessLast(s.Rhs, i))
			}
		}
		b.at(stmt)
		assigned[n-1-i] = stmt
	}
	if !paired {
		b.values = s.Rhs
	}
	var before []ast.Stmt
	if len(m.locals)+len(b.places) > maxNames {
		before = b.inTable()
	} else {
		before = b.inLocals()
	}
	do := &ast.DoBlockStmt{Stmts: append(before, assigned...)}
	b.at(do)
	return do
}

// cutUnlessLast returns the value at i and cuts it to one value unless it is the last: only one value of the last is
// used anyway.
func cutUnlessLast(values []ast.Expr, i int) ast.Expr {
	if i == len(values)-1 {
		return values[i]
	}
	return cutToOne(values[i])
}

// evaluate adds a table or key to the expressions that b evaluates first. A local that the assignment doesn't change
// stays in its place.
func (m *rewriter) evaluate(b *block, place *ast.Expr) {
	if m.isLocal(*place) && !b.assigns((*place).(*ast.IdentExpr).Value) {
		return
	}
	b.targets = append(b.targets, cutToOne(*place))
	b.places = append(b.places, place)
}

// assigns reports whether the assignment changes a variable.
func (b *block) assigns(name string) bool {
	return slices.ContainsFunc(b.assign.Lhs, func(target ast.Expr) bool {
		ident, ok := target.(*ast.IdentExpr)
		return ok && ident.Value == name
	})
}

// at sets the lines of nodes to those of the assignment.
func (b *block) at(nodes ...ast.PositionHolder) {
	for _, node := range nodes {
		node.SetLine(b.assign.Line())
		node.SetLastLine(b.assign.LastLine())
	}
}

// inLocals moves the targets and the values of the assignment into locals. It returns the statements "local (target 1),
// … = targets" and "local (value 1), … = values".
func (b *block) inLocals() []ast.Stmt {
	var stmts []ast.Stmt
	take := func(what string, places []*ast.Expr, exprs []ast.Expr) {
		if len(places) == 0 && len(exprs) == 0 {
			return
		}
		local := &ast.LocalAssignStmt{Exprs: exprs}
		for i, place := range places {
			ident := &ast.IdentExpr{Value: fmt.Sprintf("(%s %d)", what, i+1)} // can't be a name in a script
			b.at(ident)
			local.Names = append(local.Names, ident.Value)
			*place = ident
		}
		b.at(local)
		stmts = append(stmts, local)
	}
	take("target", b.places[:len(b.targets)], b.targets)
	take("value", b.places[len(b.targets):], b.values)
	return stmts
}

// inTable returns local (values) = {["target 1"] = …, ["value 1"] = …}. If the last value can be several, they are the
// items 1, 2, … of the table.
func (b *block) inTable() []ast.Stmt {
	table := &ast.TableExpr{}
	key := func(what string, i int) *ast.StringExpr {
		key := &ast.StringExpr{Value: fmt.Sprintf("%s %d", what, i+1)}
		b.at(key)
		return key
	}
	use := func(place *ast.Expr, key ast.Expr) {
		values := &ast.IdentExpr{Value: "(values)"} // can't be a name in a script
		get := &ast.AttrGetExpr{Object: values, Key: key}
		b.at(values, get)
		*place = get
	}
	places := b.places
	for i, target := range b.targets {
		table.Fields = append(table.Fields, &ast.Field{Key: key("target", i), Value: target})
		use(places[i], key("target", i))
	}
	places = places[len(b.targets):]
	several := 0 // number of values taken from the last expression
	if n := len(b.values); n > 0 && mayGiveSeveral(b.values[n-1]) {
		several = max(0, len(places)-n+1)
	}
	for i, value := range b.values {
		field := &ast.Field{Value: value}
		if i < len(b.values)-1 || several == 0 {
			field.Key = key("value", i)
			cutToOne(value)
		}
		table.Fields = append(table.Fields, field)
	}
	for i, place := range places {
		if item := i - len(places) + several + 1; item > 0 {
			number := &ast.NumberExpr{Value: fmt.Sprint(item)}
			b.at(number)
			use(place, number)
		} else {
			use(place, key("value", i))
		}
	}
	b.at(table)
	local := &ast.LocalAssignStmt{Names: []string{"(values)"}, Exprs: []ast.Expr{table}}
	b.at(local)
	return []ast.Stmt{local}
}

// isConstant reports whether an expression is a literal text, number, nil, true or false.
func isConstant(e ast.Expr) bool {
	switch e.(type) {
	case *ast.StringExpr, *ast.NumberExpr, *ast.NilExpr, *ast.TrueExpr, *ast.FalseExpr:
		return true
	}
	return false
}
