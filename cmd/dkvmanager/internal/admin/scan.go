package admin

import (
	"io"

	"dkvrun/runtime/wire"
)

// Bounds of a body's parts, which hold before anything is decoded. A string in a body is at most maxToken bytes long:
// each of its bytes may be written as \u0000.
const (
	maxToken    = 6*wire.MaxText + 2 // bytes of a text or a number
	maxWhite    = 64 << 10           // bytes of white space between two of them
	maxDepth    = 100                // lists and objects within each other
	maxElements = 1 << 17            // commas
)

// scan reads a body and refuses it at the first byte that exceeds a bound, whatever follows. It does not check the
// syntax: it counts what a JSON reader would have to keep.
type scan struct {
	from io.Reader
	// inText means that the last byte was within quotes, escaped that it was a backslash there.
	inText, escaped bool
	// kind is the kind of the last byte outside of quotes: white space, punctuation, or part of a number or word.
	kind kind
	// length is the number of bytes of the present token.
	length, depth, elements int
	at                      int64
}

type kind byte

const (
	punctuation kind = iota
	white
	word
)

func (s *scan) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	for _, c := range p[:n] {
		s.at++
		if refusal := s.pass(c); refusal != nil {
			return 0, refusal
		}
	}
	return n, err
}

// pass counts one byte.
func (s *scan) pass(c byte) error {
	if s.length++; s.length > maxWhite || s.length > maxToken && s.kind != white {
		return wire.Refuse(wire.CodeBadRequest, "the body has a text, a number or white space that is too long, up to byte %d", s.at)
	}
	if s.inText {
		switch {
		case s.escaped:
			s.escaped = false
		case c == '\\':
			s.escaped = true
		case c == '"':
			s.inText, s.length, s.kind = false, 0, punctuation
		}
		return nil
	}
	next := word
	switch c {
	case ' ', '\t', '\r', '\n':
		next = white
	case '"':
		s.inText = true
		next = punctuation
	case '{', '[':
		next = punctuation
		if s.depth++; s.depth > maxDepth {
			return wire.Refuse(wire.CodeBadRequest, "the body is nested more than %d deep, at byte %d", maxDepth, s.at)
		}
	case '}', ']':
		next = punctuation
		s.depth--
	case ',':
		next = punctuation
		if s.elements++; s.elements > maxElements {
			return wire.Refuse(wire.CodeBadRequest, "the body has more than %d elements", maxElements)
		}
	case ':':
		next = punctuation
	}
	if next != s.kind || next == punctuation {
		s.length = 1
	}
	s.kind = next
	return nil
}
