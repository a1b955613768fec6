package syntax

// kind is what a token is: one of these, or the word or sign itself ("local", "(", "==").
type kind string

const (
	endOfSource kind = "the end"
	name        kind = "a name"
	number      kind = "a number"
	text        kind = "a string"
)

type token struct {
	Span
	kind    kind
	text    string // a name, or what a string holds
	number  float64
	newLine bool // it is the first of its line
}

// shown is how messages name a token.
func (t token) shown() string {
	switch t.kind {
	case endOfSource:
		return "the end of the source"
	case name:
		return "'" + t.text + "'"
	case number, text:
		return string(t.kind)
	}
	return "'" + string(t.kind) + "'"
}

var keywords = map[string]bool{
	"and": true, "break": true, "do": true, "else": true, "elseif": true, "end": true, "false": true, "for": true,
	"function": true, "goto": true, "if": true, "in": true, "local": true, "nil": true, "not": true, "or": true,
	"repeat": true, "return": true, "then": true, "true": true, "until": true, "while": true,
}

// signs are the operators and brackets, longer ones first.
var signs = []string{
	"...", "..", "==", "~=", "<=", ">=", "::",
	"+", "-", "*", "/", "%", "^", "#", "<", ">", "=", "(", ")", "{", "}", "[", "]", ";", ":", ",", ".",
}
