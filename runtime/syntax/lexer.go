package syntax

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"dkvrun/runtime/luanum"
)

// kind is the kind of a token. Each keyword and each sign is a separate kind.
type kind uint8

const (
	tEnd kind = iota // the end of the source
	tName
	tNumber
	tString

	tAnd
	tBreak
	tDo
	tElse
	tElseif
	tEndWord
	tFalse
	tFor
	tFunction
	tGoto
	tIf
	tIn
	tLocal
	tNil
	tNot
	tOr
	tRepeat
	tReturn
	tThen
	tTrue
	tUntil
	tWhile

	tDots   // ...
	tConcat // ..
	tEqual
	tNotEqual
	tLessEqual
	tGreaterEqual
	tColons // ::
	tPlus
	tMinus
	tStar
	tSlash
	tPercent
	tCaret
	tHash
	tLess
	tGreater
	tAssign
	tLeftParen
	tRightParen
	tLeftBrace
	tRightBrace
	tLeftBracket
	tRightBracket
	tSemicolon
	tColon
	tComma
	tDot

	kinds // the number of kinds
)

// kindNames are the keywords and signs in the form of sources.
var kindNames = [kinds]string{
	tEnd: "end of the source", tName: "a name", tNumber: "a number", tString: "a string",
	tAnd: "and", tBreak: "break", tDo: "do", tElse: "else", tElseif: "elseif", tEndWord: "end", tFalse: "false",
	tFor: "for", tFunction: "function", tGoto: "goto", tIf: "if", tIn: "in", tLocal: "local", tNil: "nil", tNot: "not",
	tOr: "or", tRepeat: "repeat", tReturn: "return", tThen: "then", tTrue: "true", tUntil: "until", tWhile: "while",
	tDots: "...", tConcat: "..", tEqual: "==", tNotEqual: "~=", tLessEqual: "<=", tGreaterEqual: ">=", tColons: "::",
	tPlus: "+", tMinus: "-", tStar: "*", tSlash: "/", tPercent: "%", tCaret: "^", tHash: "#", tLess: "<", tGreater: ">",
	tAssign: "=", tLeftParen: "(", tRightParen: ")", tLeftBrace: "{", tRightBrace: "}", tLeftBracket: "[",
	tRightBracket: "]", tSemicolon: ";", tColon: ":", tComma: ",", tDot: ".",
}

func (k kind) String() string { return kindNames[k] }

// keyword returns the kind of a word: that of a keyword, or tName.
func keyword(word string) kind {
	switch word {
	case "and":
		return tAnd
	case "break":
		return tBreak
	case "do":
		return tDo
	case "else":
		return tElse
	case "elseif":
		return tElseif
	case "end":
		return tEndWord
	case "false":
		return tFalse
	case "for":
		return tFor
	case "function":
		return tFunction
	case "goto":
		return tGoto
	case "if":
		return tIf
	case "in":
		return tIn
	case "local":
		return tLocal
	case "nil":
		return tNil
	case "not":
		return tNot
	case "or":
		return tOr
	case "repeat":
		return tRepeat
	case "return":
		return tReturn
	case "then":
		return tThen
	case "true":
		return tTrue
	case "until":
		return tUntil
	case "while":
		return tWhile
	}
	return tName
}

// token is a name, keyword, sign, number or string of a source.
type token struct {
	Span
	kind   kind
	value  string  // of a string; empty unless the lexer keeps values
	number float64 // of a number; 0 unless the lexer keeps values
}

// lexer splits a source into tokens, as Lua 5.1 does. Its methods panic with an *Error, which parse catches.
type lexer struct {
	src      string
	token    token // the current one
	last     int   // the end of the token before it
	keep     bool  // whether values and comments are kept
	comments []Comment
}

// fail panics with an error about src[start:end].
func (lx *lexer) fail(start, end int, message string) {
	panic(&Error{Span: Span{start, end}, Message: message})
}

// next reads the next token, after white space and comments.
func (lx *lexer) next() {
	src, i := lx.src, lx.token.End
	lx.last = i
	for i < len(src) {
		if c := src[i]; c == '-' && i+1 < len(src) && src[i+1] == '-' {
			i = lx.comment(i)
		} else if c == ' ' || c == '\n' || c == '\t' || c == '\r' {
			i++
		} else {
			break
		}
	}
	t := &lx.token
	t.Start = i
	if i == len(src) {
		t.kind, t.End = tEnd, i
		return
	}
	switch c := src[i]; {
	case isLetter(c):
		for i++; i < len(src) && (isLetter(src[i]) || isDigit(src[i])); i++ {
		}
		t.kind, t.End = keyword(src[t.Start:i]), i
	case isDigit(c) || c == '.' && isDigit(lx.at(i+1)):
		lx.number(i)
	case c == '"' || c == '\'':
		lx.quoted(i)
	case c == '[' && (lx.at(i+1) == '[' || lx.at(i+1) == '='):
		t.kind = tString
		t.value, t.End = lx.long(i, "string")
	default:
		t.kind, t.End = lx.sign(i)
	}
}

// at returns the byte at a position, 0 after the end of the source.
func (lx *lexer) at(i int) byte {
	if i < len(lx.src) {
		return lx.src[i]
	}
	return 0
}

// sign reads an operator, a bracket or a separator.
func (lx *lexer) sign(i int) (kind, int) {
	next := lx.at(i + 1)
	switch lx.src[i] {
	case '.':
		switch {
		case next != '.':
			return tDot, i + 1
		case lx.at(i+2) == '.':
			return tDots, i + 3
		}
		return tConcat, i + 2
	case '=':
		if next == '=' {
			return tEqual, i + 2
		}
		return tAssign, i + 1
	case '<':
		if next == '=' {
			return tLessEqual, i + 2
		}
		return tLess, i + 1
	case '>':
		if next == '=' {
			return tGreaterEqual, i + 2
		}
		return tGreater, i + 1
	case ':':
		if next == ':' {
			return tColons, i + 2
		}
		return tColon, i + 1
	case '~':
		if next == '=' {
			return tNotEqual, i + 2
		}
	case '!':
		if next == '=' {
			lx.fail(i, i+2, "'!=' is not an operator of Lua: use ~=")
		}
	case '+':
		return tPlus, i + 1
	case '-':
		return tMinus, i + 1
	case '*':
		return tStar, i + 1
	case '/':
		return tSlash, i + 1
	case '%':
		return tPercent, i + 1
	case '^':
		return tCaret, i + 1
	case '#':
		return tHash, i + 1
	case '(':
		return tLeftParen, i + 1
	case ')':
		return tRightParen, i + 1
	case '{':
		return tLeftBrace, i + 1
	case '}':
		return tRightBrace, i + 1
	case '[':
		return tLeftBracket, i + 1
	case ']':
		return tRightBracket, i + 1
	case ';':
		return tSemicolon, i + 1
	case ',':
		return tComma, i + 1
	}
	r, size := utf8.DecodeRuneInString(lx.src[i:])
	lx.fail(i, i+size, "unexpected character "+strconv.QuoteRune(r))
	return tEnd, i
}

// comment reads a comment and returns its end.
func (lx *lexer) comment(start int) (end int) {
	var body string
	i := start + 2
	if lx.at(i) == '[' && lx.at(endOfEquals(lx.src, i+1)) == '[' {
		body, end = lx.long(i, "comment")
	} else {
		for end = i; end < len(lx.src) && lx.src[end] != '\n' && lx.src[end] != '\r'; end++ {
		}
		body = lx.src[i:end]
	}
	if lx.keep {
		noToken := lx.token.kind == tEnd // no token in the source so far
		alone := noToken || strings.ContainsAny(lx.src[lx.last:start], "\n\r")
		lx.comments = append(lx.comments, Comment{Span{start, end}, body, alone})
	}
	return end
}

// endOfEquals returns the position after the equals signs at i.
func endOfEquals(src string, i int) int {
	for i < len(src) && src[i] == '=' {
		i++
	}
	return i
}

// long reads [[…]] or [==[…]==] and returns where it ends. The parameter what names it in errors.
func (lx *lexer) long(start int, what string) (body string, end int) {
	i := endOfEquals(lx.src, start+1)
	level := lx.src[start+1 : i]
	if lx.at(i) != '[' {
		lx.fail(start, i, "a long "+what+" begins with ["+level+"[: the second [ is missing")
	}
	i++
	closing := "]" + level + "]"
	length := strings.Index(lx.src[i:], closing)
	if length < 0 {
		lx.fail(start, i, "unterminated long "+what+": "+closing+" is missing")
	}
	end = i + length + len(closing)
	if lx.keep {
		body = lx.src[skipLineBreak(lx.src, i) : i+length]
	}
	return body, end
}

// skipLineBreak returns the position after a line break at i, or i if there is none. Each of "\r\n", "\n\r", "\n" and
// "\r" is one line break.
func skipLineBreak(src string, i int) int {
	if i == len(src) || src[i] != '\n' && src[i] != '\r' {
		return i
	}
	if i+1 < len(src) && (src[i+1] == '\n' || src[i+1] == '\r') && src[i+1] != src[i] {
		return i + 2
	}
	return i + 1
}

// quoted reads a string in quotes.
func (lx *lexer) quoted(start int) {
	src, quote, escaped := lx.src, lx.src[start], false
	i := start + 1
	for {
		if i >= len(src) || src[i] == '\n' || src[i] == '\r' {
			lx.fail(start, min(i, len(src)), "a quoted string doesn't end on its line")
		}
		if src[i] == quote {
			break
		}
		if src[i] == '\\' {
			escaped = true
			if next := skipLineBreak(src, min(i+1, len(src))); next > i+1 {
				i = next
				continue
			}
			i++
			lx.checkEscape(i)
		}
		i++
	}
	t := &lx.token
	t.kind, t.End = tString, i+1
	if !lx.keep {
		return
	}
	if t.value = src[start+1 : i]; escaped {
		t.value = unescape(t.value)
	}
}

// checkEscape fails if the escape sequence after a backslash is a number greater than 255.
func (lx *lexer) checkEscape(start int) {
	n, end := 0, start
	for ; end < start+3 && isDigit(lx.at(end)); end++ {
		n = n*10 + int(lx.src[end]-'0')
	}
	if n > math.MaxUint8 {
		sequence := lx.src[start-1 : end]
		lx.fail(start-1, end, "escape sequence "+sequence+" is too large: bytes are \\0 to \\255")
	}
}

// unescape replaces the escape sequences of a quoted string.
func unescape(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			out.WriteByte(s[i])
			i++
			continue
		}
		i++ // never the last byte: a backslash would have escaped the closing quote
		c := s[i]
		switch {
		case isDigit(c):
			n := 0
			for end := i + 3; i < end && i < len(s) && isDigit(s[i]); i++ {
				n = n*10 + int(s[i]-'0')
			}
			out.WriteByte(byte(n))
			continue
		case c == '\n' || c == '\r':
			out.WriteByte('\n')
			i = skipLineBreak(s, i)
			continue
		}
		if at := strings.IndexByte("abfnrtv", c); at >= 0 {
			c = "\a\b\f\n\r\t\v"[at]
		}
		out.WriteByte(c)
		i++
	}
	return out.String()
}

// number reads 3, 3.5, .5, 3e-2 and 0xff. As in Lua, it takes all digits, letters and dots that follow: 3x is no
// number.
func (lx *lexer) number(start int) {
	src, i := lx.src, start
	for i < len(src) && (isDigit(src[i]) || src[i] == '.') {
		i++
	}
	if lx.at(i) == 'e' || lx.at(i) == 'E' {
		i++
		if lx.at(i) == '+' || lx.at(i) == '-' {
			i++
		}
	}
	for i < len(src) && (isLetter(src[i]) || isDigit(src[i])) {
		i++
	}
	n, ok := luanum.Parse(src[start:i])
	if !ok {
		lx.fail(start, i, "malformed number near '"+src[start:i]+"'")
	}
	t := &lx.token
	t.kind, t.End = tNumber, i
	if lx.keep {
		t.number = n
	}
}

func isLetter(c byte) bool { return (c|0x20)-'a' < 26 || c == '_' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
