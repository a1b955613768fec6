package rewrite

import (
	"fmt"

	"github.com/yuin/gopher-lua/ast"
)

// gopher-lua 1.1.2 compiles these assignments wrongly:
//
//   - g, t.k = x, y for a global g and locals x and y: g gets the register below its value's;
//   - v, v.k = {}, 1 for a local v: the field is set in the new table;
//   - v = x.y and z for a local v: v keeps its value where x.y is false or nil;
//   - v = 1, f(v) for a local v: f gets the new value;
//   - v = (f(v)) for a parameter v, the last one: f gets itself;
//   - v = (...) for a local v: the locals after it are lost.
//
// So every value goes by way of a new local, and then alone into its variable or field. The tables and
// keys of fields are evaluated first, as Lua does.

// wronglyAssigned tells whether an assignment may be one of those.
func wronglyAssigned(s *ast.AssignStmt) bool {
	if len(s.Lhs) > 1 || len(s.Rhs) > 1 {
		return true
	}
	_, variable := s.Lhs[0].(*ast.IdentExpr)
	_, condition := s.Rhs[0].(*ast.LogicalOpExpr)
	return variable && (condition || isCutToOne(s.Rhs[0])) // as calls that .. has become are
}

// byWayOfLocals is do local t1, k2, … = tables and keys local v1, v2 = RHS LHS2 = v2 LHS1 = v1 end.
func byWayOfLocals(s *ast.AssignStmt) ast.Stmt {
	at := func(node ast.PositionHolder) {
		node.SetLine(s.Line())
		node.SetLastLine(s.LastLine())
	}
	local := func(to *ast.LocalAssignStmt, what string, i int) *ast.IdentExpr {
		ident := &ast.IdentExpr{Value: fmt.Sprintf("(%s %d)", what, i+1)} // no name of a script
		at(ident)
		to.Names = append(to.Names, ident.Value)
		return ident
	}
	targets, values := &ast.LocalAssignStmt{}, &ast.LocalAssignStmt{Exprs: s.Rhs}
	assigns := make([]ast.Stmt, len(s.Lhs))
	for i, target := range s.Lhs {
		if field, ok := target.(*ast.AttrGetExpr); ok {
			targets.Exprs = append(targets.Exprs, cutToOne(field.Object))
			field.Object = local(targets, "table", i)
			if !isConstant(field.Key) {
				targets.Exprs = append(targets.Exprs, cutToOne(field.Key))
				field.Key = local(targets, "key", i)
			}
		}
		assign := &ast.AssignStmt{Lhs: []ast.Expr{target}, Rhs: []ast.Expr{local(values, "value", i)}}
		at(assign)
		assigns[len(s.Lhs)-1-i] = assign
	}
	block := &ast.DoBlockStmt{}
	if len(targets.Names) > 0 {
		at(targets)
		block.Stmts = append(block.Stmts, targets)
	}
	at(values)
	block.Stmts = append(append(block.Stmts, values), assigns...)
	at(block)
	return block
}

func isConstant(e ast.Expr) bool {
	switch e.(type) {
	case *ast.StringExpr, *ast.NumberExpr:
		return true
	}
	return false
}
