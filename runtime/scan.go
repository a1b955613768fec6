package runtime

import (
	"bytes"
	"fmt"
)

const (
	// maxNesting is how deep blocks and brackets may nest.
	maxNesting = 200
	// maxChain is how many operators, calls and fields one expression may string together.
	maxChain = 5000
)

// scan looks through a source, past strings and comments, for what the compiler has no bounds for:
// it recurses, and the end of Go's stack ends the process. A problem is "" where there is none.
func scan(src []byte) (line int, problem string) {
	s := scanner{src: src, line: 1}
	for s.problem == "" && s.pos < len(s.src) {
		s.token()
	}
	return s.line, s.problem
}

type scanner struct {
	src     []byte
	pos     int
	line    int
	depth   int
	chain   int
	operand bool // the last token ends an operand
	problem string
}

func (s *scanner) token() {
	c := s.src[s.pos]
	switch {
	case c == '\n':
		s.line++
		s.pos++
	case c == ' ' || c == '\t' || c == '\r' || c == ';' || c == ',':
		if c == ';' || c == ',' {
			s.chain, s.operand = 0, false
		}
		s.pos++
	case s.at("--"):
		s.comment()
	case c == '"' || c == '\'':
		s.quoted(c)
		s.link(true)
	case c == '[' && s.longBracket() >= 0:
		s.long(s.longBracket())
		s.link(true)
	case isLetter(c):
		s.word()
	case '0' <= c && c <= '9':
		s.number()
	case c == '(' || c == '{' || c == '[':
		s.pos++
		s.open()
		s.link(false)
	case c == ')' || c == '}' || c == ']':
		s.pos++
		s.depth--
		s.operand = true
	default:
		s.pos++
		s.link(false)
	}
}

// link counts one more piece of the present expression.
func (s *scanner) link(operand bool) {
	s.chain++
	s.operand = operand
	if s.chain > maxChain {
		s.problem = fmt.Sprintf("an expression has more than %d parts: split it", maxChain)
	}
}

func (s *scanner) open() {
	s.depth++
	if s.depth > maxNesting {
		s.problem = fmt.Sprintf("blocks and brackets are nested deeper than %d", maxNesting)
	}
}

func (s *scanner) word() {
	start := s.pos
	for s.pos < len(s.src) && (isLetter(s.src[s.pos]) || '0' <= s.src[s.pos] && s.src[s.pos] <= '9') {
		s.pos++
	}
	switch string(s.src[start:s.pos]) {
	case "do", "function", "if", "repeat":
		s.open()
		s.chain, s.operand = 0, false
	case "end", "until":
		s.depth--
		s.chain, s.operand = 0, true
	case "then", "else", "elseif", "local", "return", "for", "while", "in", "break", "goto":
		s.chain, s.operand = 0, false
	case "and", "or", "not":
		s.link(false)
	default:
		if s.operand { // two operands side by side: a new statement
			s.chain = 0
		}
		s.link(true)
	}
}

func (s *scanner) number() {
	for s.pos < len(s.src) && (isLetter(s.src[s.pos]) || '0' <= s.src[s.pos] && s.src[s.pos] <= '9' ||
		s.src[s.pos] == '.' && !s.at("..")) {
		s.pos++
	}
	s.link(true)
}

func (s *scanner) comment() {
	s.pos += 2
	if s.pos < len(s.src) && s.src[s.pos] == '[' {
		if level := s.longBracket(); level >= 0 {
			s.long(level)
			return
		}
	}
	for s.pos < len(s.src) && s.src[s.pos] != '\n' {
		s.pos++
	}
}

func (s *scanner) quoted(quote byte) {
	for s.pos++; s.pos < len(s.src) && s.src[s.pos] != quote; s.pos++ {
		switch s.src[s.pos] {
		case '\\':
			s.pos++
			if s.pos < len(s.src) && s.src[s.pos] == '\n' {
				s.line++
			}
		case '\n':
			s.problem = "a quoted string doesn't end on its line"
			return
		}
	}
	s.pos++
}

// longBracket is the level of the long bracket that opens at the present place, or -1.
func (s *scanner) longBracket() int {
	level := 0
	for i := s.pos + 1; i < len(s.src); i++ {
		switch s.src[i] {
		case '=':
			level++
		case '[':
			return level
		default:
			return -1
		}
	}
	return -1
}

func (s *scanner) long(level int) {
	end := append(append([]byte("]"), bytes.Repeat([]byte("="), level)...), ']')
	body := s.src[s.pos:]
	if i := bytes.Index(body, end); i >= 0 {
		body = body[:i+len(end)]
	}
	s.line += bytes.Count(body, []byte("\n"))
	s.pos += len(body)
}

func (s *scanner) at(prefix string) bool { return bytes.HasPrefix(s.src[s.pos:], []byte(prefix)) }

func isLetter(c byte) bool { return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
