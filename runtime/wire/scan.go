package wire

import (
	"bytes"
	"errors"
	"fmt"
)

// scanner reads JSON without decoding it. The runner needs a few fields of thousands of answers, and encoding/json
// takes longer for one than the network does. The scanner checks the grammar of everything it passes, so that parts
// that are kept can be decoded later.
type scanner struct {
	in    []byte
	at    int
	depth int
	// partial is true after a description of a store that lacks its revision, or own or ready of an instance.
	partial bool
	top     fieldSet     // the known keys of the outermost object
	after   [4]following // by the depth of the object
}

// maxNesting is above the nesting depth of the protocol's types.
const maxNesting = 100

var errJSON = errors.New("not JSON")

func (s *scanner) fail(want string) error {
	return fmt.Errorf("%w: want %s at byte %d", errJSON, want, s.at)
}

// next skips white space and returns the byte after it without passing it, or 0 at the end.
func (s *scanner) next() byte {
	if s.at < len(s.in) && s.in[s.at] > ' ' {
		return s.in[s.at]
	}
	for ; s.at < len(s.in); s.at++ {
		switch c := s.in[s.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) take(c byte, want string) error {
	if s.next() != c {
		return s.fail(want)
	}
	s.at++
	return nil
}

// text passes a string and returns the bytes between its quotes, with escapes as they are.
func (s *scanner) text() ([]byte, error) {
	if err := s.take('"', "a string"); err != nil {
		return nil, err
	}
	first := s.at
	for s.at < len(s.in) {
		// Most bytes are plain: they are passed without writing to s.
		plain := s.in[s.at:]
		n := 0
		for n < len(plain) && plain[n] != '"' && plain[n] != '\\' && plain[n] >= ' ' {
			n++
		}
		if s.at += n; s.at == len(s.in) {
			break
		}
		switch c := s.in[s.at]; {
		case c == '"':
			s.at++
			return s.in[first : s.at-1], nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return nil, err
			}
		default:
			return nil, s.fail("no control character")
		}
	}
	return nil, s.fail("the end of a string")
}

func (s *scanner) escape() error {
	rest := s.in[s.at+1:]
	switch {
	case len(rest) > 0 && bytes.IndexByte([]byte(`"\/bfnrt`), rest[0]) >= 0:
		s.at += 2
		return nil
	case len(rest) > 4 && rest[0] == 'u' && len(bytes.Trim(rest[1:5], "0123456789abcdefABCDEF")) == 0:
		s.at += 6
		return nil
	}
	return s.fail("an escape")
}

// object calls field at each value of an object; field must pass the value. It refuses ambiguous keys.
func (s *scanner) object(field func(name []byte) error) error {
	var passed keys
	err := s.items('{', '}', "an object", func() error {
		name, err := s.text()
		if err != nil {
			return err
		}
		if name, err = passed.add(name, &s.after[s.depth%4]); err != nil {
			return err
		}
		if err := s.take(':', "a colon"); err != nil {
			return err
		}
		return field(name)
	})
	if s.depth == 0 {
		s.top = passed.known
	}
	return err
}

// array calls item at each value of an array; item must pass the value.
func (s *scanner) array(item func() error) error { return s.items('[', ']', "an array", item) }

func (s *scanner) items(begin, end byte, what string, item func() error) error {
	if err := s.take(begin, what); err != nil {
		return err
	}
	if s.depth++; s.depth > maxNesting {
		return s.fail("less nesting")
	}
	defer func() { s.depth-- }()
	if s.next() == end {
		s.at++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		switch s.next() {
		case ',':
			s.at++
		case end:
			s.at++
			return nil
		default:
			return s.fail("a comma or the end of " + what)
		}
	}
}

// value passes any value.
func (s *scanner) value() error {
	switch c := s.next(); {
	case c == '"':
		_, err := s.text()
		return err
	case c == '{':
		return s.object(func([]byte) error { return s.value() })
	case c == '[':
		return s.array(s.value)
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	}
	if s.word("true") || s.word("false") || s.word("null") {
		return nil
	}
	return s.fail("a value")
}

// word passes the given word (true, false or null) if it is next, and reports whether it was.
func (s *scanner) word(word string) bool {
	s.next()
	if !bytes.HasPrefix(s.in[s.at:], []byte(word)) {
		return false
	}
	s.at += len(word)
	return true
}

func (s *scanner) number() error {
	if s.in[s.at] == '-' {
		s.at++
	}
	if s.at < len(s.in) && s.in[s.at] == '0' {
		s.at++
	} else if s.digits() == 0 {
		return s.fail("a digit")
	}
	if s.at < len(s.in) && s.in[s.at] == '.' {
		s.at++
		if s.digits() == 0 {
			return s.fail("a digit")
		}
	}
	if s.at < len(s.in) && (s.in[s.at] == 'e' || s.in[s.at] == 'E') {
		s.at++
		if s.at < len(s.in) && (s.in[s.at] == '+' || s.in[s.at] == '-') {
			s.at++
		}
		if s.digits() == 0 {
			return s.fail("a digit")
		}
	}
	return nil
}

func (s *scanner) digits() int {
	first := s.at
	for s.at < len(s.in) && s.in[s.at] >= '0' && s.in[s.at] <= '9' {
		s.at++
	}
	return s.at - first
}

// end returns an error if anything but white space follows.
func (s *scanner) end() error {
	if s.next(); s.at < len(s.in) {
		return s.fail("nothing more")
	}
	return nil
}
