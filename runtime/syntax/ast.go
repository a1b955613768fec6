// Package syntax parses Lua 5.1 sources, as package runtime runs them. It compiles and runs nothing.
package syntax

// Span is a piece of a source, from byte Start up to byte End.
type Span struct{ Start, End int }

// Spans returns the span; a type that embeds Span becomes a Node.
func (s Span) Spans() Span { return s }

// Contains reports whether a byte is in s.
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
	// Index is Object.Key or Object[Key]; the Key of the first is a String.
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
		Open   int // where the arguments begin
	}
	// Function is a function's parameters and body. Method is set where it was written with a colon and
	// has a parameter self that the source doesn't show.
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
	// Paren is an expression in parentheses, which cut several values down to one.
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

// Block is a list of statements with a scope of its own.
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
		Blocks     []*Block // one a condition, and perhaps that of else
	}
	NumericFor struct {
		isStmt
		Name  *Name
		Range []Expr // from, to, and perhaps the step
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
	// Alone is set where nothing stands before it on its line.
	Alone bool
}

// Chunk is a whole source.
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
	// AtEnd is set where the source ends too early: more text could make it right.
	AtEnd bool
}

func (e *Error) Error() string { return e.Message }
