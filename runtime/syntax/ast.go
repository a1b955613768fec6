// Package syntax parses the Lua 5.1 sources that package runtime runs. It compiles and runs nothing.
package syntax

// Span is a range of bytes of a source, from Start up to but not including End.
type Span struct{ Start, End int }

// Spans returns the span. It makes each type that embeds Span a Node.
func (s Span) Spans() Span { return s }

// Contains reports whether a byte offset is in s.
func (s Span) Contains(offset int) bool { return s.Start <= offset && offset < s.End }

// Node is an expression or a statement.
type Node interface{ Spans() Span }

// Expr is an expression.
type Expr interface {
	Node
	expr()
}

type isExpr struct{ Span }

func (isExpr) expr() {}

// The expressions.
type (
	Nil     struct{ isExpr }
	Vararg  struct{ isExpr }
	Boolean struct {
		isExpr
		Value bool
	}
	Number struct {
		isExpr
		Value float64
	}
	String struct {
		isExpr
		Value string
	}
	Name struct {
		isExpr
		Text string
	}
	// Index is Object.Key or Object[Key]. In the first form, Key is a String.
	Index struct {
		isExpr
		Object, Key Expr
	}
	// Call is Callee(Args), or Callee:Method(Args).
	Call struct {
		isExpr
		Callee Expr
		Method *String
		Args   []Expr
		Open   int // offset of the arguments
	}
	// Function is the parameters and the body of a function. Method is set if the function was defined with a colon; it
	// then has a parameter self that isn't in the source.
	Function struct {
		isExpr
		Params   []*Name
		Variadic bool
		Method   bool
		Body     *Block
	}
	Binary struct {
		isExpr
		Operator    string
		Left, Right Expr
	}
	Unary struct {
		isExpr
		Operator string
		Operand  Expr
	}
	// Paren is an expression in parentheses, which reduce several values to one.
	Paren struct {
		isExpr
		Inner Expr
	}
	Table struct {
		isExpr
		Fields []Field
	}
)

// Field is a field of a table constructor. Key is nil for a list item.
type Field struct{ Key, Value Expr }

// Stmt is a statement.
type Stmt interface {
	Node
	stmt()
}

type isStmt struct{ Span }

func (isStmt) stmt() {}

// Block is a list of statements that forms a scope.
type Block struct{ Stmts []Stmt }

// The statements.
type (
	Local struct {
		isStmt
		Names  []*Name
		Values []Expr
	}
	LocalFunction struct {
		isStmt
		Name     *Name
		Function *Function
	}
	// Assign is also "function a.b() … end".
	Assign struct {
		isStmt
		Targets, Values []Expr
	}
	CallStmt struct {
		isStmt
		Call *Call
	}
	Do struct {
		isStmt
		Body *Block
	}
	While struct {
		isStmt
		Condition Expr
		Body      *Block
	}
	Repeat struct {
		isStmt
		Body      *Block
		Condition Expr // in the scope of Body
	}
	If struct {
		isStmt
		Conditions []Expr   // of if and each elseif
		Blocks     []*Block // one for each condition, then that of else, if there is one
	}
	NumericFor struct {
		isStmt
		Name  *Name
		Range []Expr // from, to and, if given, the step
		Body  *Block
	}
	GenericFor struct {
		isStmt
		Names  []*Name
		Values []Expr
		Body   *Block
	}
	Return struct {
		isStmt
		Values []Expr
	}
	Break struct{ isStmt }
	Goto  struct {
		isStmt
		Label string
	}
	Label struct {
		isStmt
		Name string
	}
)

// Comment is a comment without its dashes and brackets.
type Comment struct {
	Span
	Text string
	// Alone is set if nothing precedes the comment on its line.
	Alone bool
}

// Chunk is the tree of a whole source.
type Chunk struct {
	Block
	Comments []Comment
	Lines    *Lines
}

// Error is a source that is not Lua, or that exceeds a limit.
type Error struct {
	Span
	From, To Place // of the span
	Message  string
	// AtEnd is set if the source ends too early, so that more text could make it valid.
	AtEnd bool
}

func (e *Error) Error() string { return e.Message }
