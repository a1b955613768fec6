// Package pattern matches the patterns of Lua 5.1, with bounds on time, depth and captures.
package pattern

import (
	"context"
	"errors"
)

const (
	maxCaptures = 32
	// maxMatchDepth bounds the recursion of one match.
	maxMatchDepth = 200_000
	// maxMatchSteps bounds the work of one search to one or two seconds. Some patterns take exponential time.
	maxMatchSteps = 100_000_000
	// stepsBetweenChecks is the number of steps between two checks for cancellation.
	stepsBetweenChecks = 1 << 16
)

const (
	capturePosition   = -1
	captureUnfinished = -2
)

var (
	errCost       = errors.New("the pattern takes too long on this text: make it simpler or the text shorter")
	errCancelled  = errors.New("cancelled")
	errUnfinished = errors.New("the pattern has a ( without its )")
)

// problem is the value with which a failing match panics. Find returns its error.
type problem struct{ error }

// Matcher searches a text for a pattern. It holds the captures of the last match.
type Matcher struct {
	src, pat string
	level    int // number of captures so far, including unfinished ones
	captures [maxCaptures]struct{ start, len int }
	depth    int
	steps    int
	stop     context.Context // ends the match when it is done
}

// New returns a matcher. A search ends with an error when stop is done.
func New(stop context.Context, text, pattern string) *Matcher {
	return &Matcher{src: text, pat: pattern, stop: stop}
}

// Find returns the bounds of the first match that begins at start or later; from is -1 if there is none.
func (m *Matcher) Find(start int) (from, to int, err error) {
	defer func() {
		if p := recover(); p != nil {
			ours, ok := p.(problem)
			if !ok {
				panic(p)
			}
			err = ours.error
		}
	}()
	m.steps = 0
	from, to = m.find(start)
	return from, to, nil
}

// Captures returns the number of captures of the last match.
func (m *Matcher) Captures() int { return m.level }

// Capture returns a capture of the last match, counted from 0: its text, or for () the position, counted from 1.
func (m *Matcher) Capture(i int) (text string, position int, err error) {
	c := m.captures[i]
	switch c.len {
	case capturePosition:
		return "", c.start + 1, nil
	case captureUnfinished:
		return "", 0, errUnfinished
	}
	return m.src[c.start : c.start+c.len], 0, nil
}

// find returns the bounds of the first match that begins at start or later, or from < 0. It leaves the captures in m. A
// pattern that begins with ^ can only match at start.
func (m *Matcher) find(start int) (from, to int) {
	p := 0
	anchored := m.pat != "" && m.pat[0] == '^'
	if anchored {
		p = 1
	}
	for s := start; s <= len(m.src); s++ {
		m.level, m.depth = 0, 0
		if e := m.match(s, p); e >= 0 {
			return s, e
		}
		if anchored {
			break
		}
	}
	return -1, -1
}

// fail ends a match with an error.
func (m *Matcher) fail(text string) { panic(problem{errors.New(text)}) }

func (m *Matcher) step() {
	if m.steps++; m.steps%stepsBetweenChecks != 0 {
		return
	}
	if m.steps > maxMatchSteps {
		panic(problem{errCost})
	}
	select {
	case <-m.stop.Done():
		panic(problem{errCancelled})
	default:
	}
}

// match matches the pattern from p on with the text from s on. It returns the end of the match, or -1.
func (m *Matcher) match(s, p int) int {
	m.depth++
	defer func() { m.depth-- }()
	if m.depth > maxMatchDepth {
		panic(problem{errCost})
	}
	for {
		m.step()
		if p == len(m.pat) {
			return s
		}
		switch m.pat[p] {
		case '(':
			if p+1 < len(m.pat) && m.pat[p+1] == ')' {
				return m.open(s, p+2, capturePosition)
			}
			return m.open(s, p+1, captureUnfinished)
		case ')':
			return m.close(s, p+1)
		case '$':
			if p+1 == len(m.pat) {
				if s == len(m.src) {
					return s
				}
				return -1
			}
		case '%':
			if p+1 < len(m.pat) {
				switch c := m.pat[p+1]; {
				case c == 'b':
					if s = m.matchBalance(s, p+2); s < 0 {
						return -1
					}
					p += 4
					continue
				case c == 'f':
					p += 2
					if p >= len(m.pat) || m.pat[p] != '[' {
						m.fail("missing '[' after '%f' in the pattern")
					}
					end := m.classEnd(p)
					before, at := byte(0), byte(0)
					if s > 0 {
						before = m.src[s-1]
					}
					if s < len(m.src) {
						at = m.src[s]
					}
					if m.inSet(before, p, end-1) || !m.inSet(at, p, end-1) {
						return -1
					}
					p = end
					continue
				case '0' <= c && c <= '9':
					if s = m.matchCapture(s, c); s < 0 {
						return -1
					}
					p += 2
					continue
				}
			}
		}
		end := m.classEnd(p)
		suffix := byte(0)
		if end < len(m.pat) {
			suffix = m.pat[end]
		}
		switch suffix {
		case '?':
			if m.single(s, p, end) {
				if e := m.match(s+1, end+1); e >= 0 {
					return e
				}
			}
			p = end + 1
		case '*':
			return m.longest(s, p, end)
		case '+':
			if !m.single(s, p, end) {
				return -1
			}
			return m.longest(s+1, p, end)
		case '-':
			return m.shortest(s, p, end)
		default:
			if !m.single(s, p, end) {
				return -1
			}
			s++
			p = end
		}
	}
}

func (m *Matcher) longest(s, p, end int) int {
	i := 0
	for m.single(s+i, p, end) {
		m.step()
		i++
	}
	for ; i >= 0; i-- {
		if e := m.match(s+i, end+1); e >= 0 {
			return e
		}
	}
	return -1
}

func (m *Matcher) shortest(s, p, end int) int {
	for {
		if e := m.match(s, end+1); e >= 0 {
			return e
		}
		if !m.single(s, p, end) {
			return -1
		}
		s++
	}
}

func (m *Matcher) open(s, p, what int) int {
	if m.level >= maxCaptures {
		m.fail("the pattern has more than 32 captures")
	}
	m.captures[m.level].start, m.captures[m.level].len = s, what
	m.level++
	e := m.match(s, p)
	if e < 0 {
		m.level--
	}
	return e
}

func (m *Matcher) close(s, p int) int {
	for i := m.level - 1; i >= 0; i-- {
		if m.captures[i].len != captureUnfinished {
			continue
		}
		m.captures[i].len = s - m.captures[i].start
		e := m.match(s, p)
		if e < 0 {
			m.captures[i].len = captureUnfinished
		}
		return e
	}
	m.fail("the pattern has a ) without its (")
	return -1
}

// matchBalance matches %bxy at s and returns the end of the match, or -1. The character x is at p.
func (m *Matcher) matchBalance(s, p int) int {
	if p+1 >= len(m.pat) {
		m.fail("the pattern's %b needs two characters")
	}
	if s >= len(m.src) || m.src[s] != m.pat[p] {
		return -1
	}
	depth := 1
	for i := s + 1; i < len(m.src); i++ {
		m.step()
		switch m.src[i] {
		case m.pat[p+1]:
			if depth--; depth == 0 {
				return i + 1
			}
		case m.pat[p]:
			depth++
		}
	}
	return -1
}

// matchCapture matches %1 to %9, a repeated capture, at s. It returns the end of the match, or -1.
func (m *Matcher) matchCapture(s int, digit byte) int {
	i := int(digit) - '1'
	if i < 0 || i >= m.level || m.captures[i].len == captureUnfinished {
		m.fail("the pattern refers to a capture that it doesn't have")
	}
	c := m.captures[i]
	if c.len < 0 || len(m.src)-s < c.len || m.src[c.start:c.start+c.len] != m.src[s:s+c.len] {
		return -1
	}
	return s + c.len
}

// classEnd returns the end of the single-character class that begins at p.
func (m *Matcher) classEnd(p int) int {
	c := m.pat[p]
	p++
	switch c {
	case '%':
		if p == len(m.pat) {
			m.fail("the pattern ends with %")
		}
		return p + 1
	case '[':
		if p < len(m.pat) && m.pat[p] == '^' {
			p++
		}
		for first := true; ; first = false {
			if p >= len(m.pat) {
				m.fail("the pattern has a [ without its ]")
			}
			if m.pat[p] == ']' && !first {
				return p + 1
			}
			if m.pat[p] == '%' {
				p++
			}
			p++
		}
	}
	return p
}

// single reports whether the character at s belongs to the class between p and end.
func (m *Matcher) single(s, p, end int) bool {
	if s >= len(m.src) {
		return false
	}
	switch c := m.src[s]; m.pat[p] {
	case '.':
		return true
	case '%':
		return inClass(c, m.pat[p+1])
	case '[':
		return m.inSet(c, p, end-1)
	default:
		return m.pat[p] == c
	}
}

// inSet reports whether c is in the set whose [ is at p and whose ] is at end.
func (m *Matcher) inSet(c byte, p, end int) bool {
	in := true
	p++
	if m.pat[p] == '^' {
		in = false
		p++
	}
	for ; p < end; p++ {
		switch {
		case m.pat[p] == '%':
			p++
			if inClass(c, m.pat[p]) {
				return in
			}
		case p+2 < end && m.pat[p+1] == '-':
			if m.pat[p] <= c && c <= m.pat[p+2] {
				return in
			}
			p += 2
		case m.pat[p] == c:
			return in
		}
	}
	return !in
}

// inClass reports whether c belongs to the class %a, %d and so on. Any other class character matches only itself.
func inClass(c, class byte) bool {
	var in bool
	switch class | 0x20 {
	case 'a':
		in = isAlpha(c)
	case 'c':
		in = c < ' ' || c == 0x7f
	case 'd':
		in = isDigit(c)
	case 'l':
		in = 'a' <= c && c <= 'z'
	case 'p':
		in = '!' <= c && c <= '~' && !isAlpha(c) && !isDigit(c)
	case 's':
		in = c == ' ' || '\t' <= c && c <= '\r'
	case 'u':
		in = 'A' <= c && c <= 'Z'
	case 'w':
		in = isAlpha(c) || isDigit(c)
	case 'x':
		in = isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f'
	case 'z':
		in = c == 0
	default:
		return class == c
	}
	if !isAlpha(class) {
		return class == c
	}
	return in == (class&0x20 != 0)
}

func isAlpha(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
