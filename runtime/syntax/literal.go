package syntax

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// number reads 3, 3.5, .5, 3e-2 and 0xff.
func (lx *lexer) number(t *token) error {
	start, from := lx.place, lx.pos
	for isLetter(lx.peek()) || isDigit(lx.peek()) || lx.peek() == '.' || lx.exponentSign(from) {
		lx.advance()
	}
	digits := lx.src[from:lx.pos]
	t.kind = number
	if strings.HasPrefix(digits, "0x") || strings.HasPrefix(digits, "0X") {
		n, err := strconv.ParseUint(digits[2:], 16, 64)
		if err != nil {
			return lx.fail(start, "%s is not a number", digits)
		}
		t.number = float64(n)
		return nil
	}
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil && f == 0 || strings.Trim(digits, "0123456789.eE+-") != "" {
		return lx.fail(start, "%s is not a number", digits)
	}
	t.number = f
	return nil
}

// exponentSign tells whether the present sign belongs to the exponent of the number that began at from.
func (lx *lexer) exponentSign(from int) bool {
	if c := lx.peek(); c != '+' && c != '-' || lx.pos == from {
		return false
	}
	last := lx.src[lx.pos-1]
	return (last == 'e' || last == 'E') && !strings.HasPrefix(lx.src[from:], "0x") && !strings.HasPrefix(lx.src[from:], "0X")
}

var escapes = map[byte]byte{'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

func (lx *lexer) quoted(t *token) error {
	start, quote := lx.place, lx.peek()
	t.kind = text
	var body strings.Builder
	lx.advance()
	for lx.done() || lx.peek() != quote {
		switch c := lx.peek(); {
		case lx.done() || c == '\n' || c == '\r':
			return lx.fail(start, "a quoted string doesn't end on its line")
		case c == '\\':
			lx.escape(&body)
		default:
			from := lx.pos
			lx.advance()
			body.WriteString(lx.src[from:lx.pos])
		}
	}
	lx.advance()
	t.text = body.String()
	return nil
}

func (lx *lexer) escape(body *strings.Builder) {
	lx.advance()
	c := lx.peek()
	switch {
	case lx.done() || c >= utf8.RuneSelf: // the next character stands for itself
	case isDigit(c):
		n := 0
		for i := 0; i < 3 && isDigit(lx.peek()); i++ {
			n = n*10 + int(lx.peek()-'0')
			lx.advance()
		}
		body.WriteByte(byte(n))
	case c == '\n' || c == '\r':
		body.WriteByte('\n')
		lx.advance()
	default:
		if made, ok := escapes[c]; ok {
			c = made
		}
		body.WriteByte(c)
		lx.advance()
	}
}

// longBracket is the level of the long bracket that opens here, -1 for none.
func (lx *lexer) longBracket() int {
	for level := 0; ; level++ {
		switch lx.ahead(level + 1) {
		case '=':
		case '[':
			return level
		default:
			return -1
		}
	}
}

// long reads [[…]] or [==[…]==].
func (lx *lexer) long() (string, error) {
	start, level := lx.place, lx.longBracket()
	lx.skip(level + 2)
	if c := lx.peek(); c == '\n' || c == '\r' {
		lx.advance()
	}
	end := "]" + strings.Repeat("=", level) + "]"
	from := lx.pos
	length := strings.Index(lx.src[from:], end)
	if length < 0 {
		return "", &Error{Span{start, Place{start.Line, start.Column + level + 2}}, "nothing ends this: " + end + " is missing"}
	}
	lx.skip(length + len(end))
	return lx.src[from : from+length], nil
}
