package syntax

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// lexer cuts a source into tokens.
type lexer struct {
	src      string
	pos      int // in bytes
	place    Place
	lineOf   int // the line that the last token ended on
	comments []Comment
}

func newLexer(src string) *lexer {
	lx := &lexer{place: Place{1, 1}}
	lx.src = strings.TrimPrefix(src, "\ufeff")
	if strings.HasPrefix(lx.src, "#!") {
		if lx.pos = strings.IndexByte(lx.src, '\n'); lx.pos < 0 {
			lx.pos = len(lx.src)
		}
	}
	return lx
}

// advance goes on by one character. "\r\n", "\n\r", "\n" and "\r" each end one line.
func (lx *lexer) advance() {
	c := lx.src[lx.pos]
	if c != '\n' && c != '\r' {
		_, size := utf8.DecodeRuneInString(lx.src[lx.pos:])
		lx.pos += size
		lx.place.Column++
		return
	}
	lx.pos++
	if lx.pos < len(lx.src) && (lx.src[lx.pos] == '\n' || lx.src[lx.pos] == '\r') && lx.src[lx.pos] != c {
		lx.pos++
	}
	lx.place = Place{lx.place.Line + 1, 1}
}

func (lx *lexer) skip(n int) {
	for end := lx.pos + n; lx.pos < end; {
		lx.advance()
	}
}

func (lx *lexer) peek() byte { return lx.ahead(0) }

func (lx *lexer) ahead(n int) byte {
	if lx.pos+n < len(lx.src) {
		return lx.src[lx.pos+n]
	}
	return 0
}

func (lx *lexer) done() bool { return lx.pos >= len(lx.src) }

func (lx *lexer) at(s string) bool { return strings.HasPrefix(lx.src[lx.pos:], s) }

// fail is an error from start to the present place.
func (lx *lexer) fail(start Place, format string, args ...any) error {
	return &Error{Span{start, lx.place}, fmt.Sprintf(format, args...)}
}

// next is the next token, past white space and comments.
func (lx *lexer) next() (token, error) {
	for !lx.done() {
		switch c := lx.peek(); {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			lx.advance()
			continue
		case lx.at("--"):
			if err := lx.comment(); err != nil {
				return token{}, err
			}
			continue
		}
		break
	}
	start := lx.place
	t := token{newLine: start.Line > lx.lineOf}
	err := lx.read(&t)
	t.Span = Span{start, lx.place}
	lx.lineOf = lx.place.Line
	return t, err
}

func (lx *lexer) read(t *token) error {
	start := lx.place
	switch c := lx.peek(); {
	case lx.done():
		t.kind = endOfSource
		return nil
	case isLetter(c):
		from := lx.pos
		for isLetter(lx.peek()) || isDigit(lx.peek()) {
			lx.advance()
		}
		t.kind, t.text = name, lx.src[from:lx.pos]
		if keywords[t.text] {
			t.kind = kind(t.text)
		}
		return nil
	case isDigit(c) || c == '.' && isDigit(lx.ahead(1)):
		return lx.number(t)
	case c == '"' || c == '\'':
		return lx.quoted(t)
	case c == '[' && lx.longBracket() >= 0:
		body, err := lx.long()
		t.kind, t.text = text, body
		return err
	}
	for _, sign := range signs {
		if lx.at(sign) {
			lx.skip(len(sign))
			t.kind = kind(sign)
			return nil
		}
	}
	r, _ := utf8.DecodeRuneInString(lx.src[lx.pos:])
	lx.advance()
	if r == '!' && lx.peek() == '=' {
		lx.advance()
		return lx.fail(start, "'!=' is no operator: Lua writes ~=")
	}
	return lx.fail(start, "%q does not belong into a script", r)
}

func (lx *lexer) comment() error {
	start, alone := lx.place, lx.place.Line > lx.lineOf
	lx.skip(2)
	var body string
	if lx.peek() == '[' && lx.longBracket() >= 0 {
		var err error
		if body, err = lx.long(); err != nil {
			return err
		}
	} else {
		from := lx.pos
		for !lx.done() && lx.peek() != '\n' && lx.peek() != '\r' {
			lx.advance()
		}
		body = lx.src[from:lx.pos]
	}
	lx.comments = append(lx.comments, Comment{Span{start, lx.place}, body, alone})
	return nil
}

func isLetter(c byte) bool { return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
