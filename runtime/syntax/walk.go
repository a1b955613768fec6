package syntax

// Walk calls visit for n and for all nodes in it, in the order of the source, outer nodes first. If visit returns
// false, Walk skips the nodes inside of the visited one.
func Walk(n Node, visit func(Node) bool) {
	if !visit(n) {
		return
	}
	exprs := func(all ...Expr) {
		for _, e := range all {
			Walk(e, visit)
		}
	}
	block := func(b *Block) { WalkBlock(b, visit) }
	names := func(all ...*Name) {
		for _, e := range all {
			Walk(e, visit)
		}
	}
	switch n := n.(type) {
	case *Index:
		exprs(n.Object, n.Key)
	case *Call:
		exprs(n.Callee)
		exprs(n.Args...)
	case *Function:
		names(n.Params...)
		block(n.Body)
	case *Binary:
		exprs(n.Left, n.Right)
	case *Unary:
		exprs(n.Operand)
	case *Paren:
		exprs(n.Inner)
	case *Table:
		for _, f := range n.Fields {
			if f.Key != nil {
				exprs(f.Key)
			}
			exprs(f.Value)
		}
	case *Local:
		names(n.Names...)
		exprs(n.Values...)
	case *LocalFunction:
		names(n.Name)
		exprs(n.Function)
	case *Assign:
		exprs(n.Targets...)
		exprs(n.Values...)
	case *CallStmt:
		exprs(n.Call)
	case *Do:
		block(n.Body)
	case *While:
		exprs(n.Condition)
		block(n.Body)
	case *Repeat:
		block(n.Body)
		exprs(n.Condition)
	case *If:
		for i, b := range n.Blocks {
			if i < len(n.Conditions) {
				exprs(n.Conditions[i])
			}
			block(b)
		}
	case *NumericFor:
		names(n.Name)
		exprs(n.Range...)
		block(n.Body)
	case *GenericFor:
		names(n.Names...)
		exprs(n.Values...)
		block(n.Body)
	case *Return:
		exprs(n.Values...)
	}
}

// WalkBlock walks the statements of a block.
func WalkBlock(b *Block, visit func(Node) bool) {
	for _, s := range b.Stmts {
		Walk(s, visit)
	}
}
