package runtime

import (
	"context"
	"errors"
)

const (
	maxCaptures = 32
	// maxMatchDepth bounds the recursion of one match.
	maxMatchDepth = 200_000
	// maxMatchSteps bounds the work of one search, a second or two: some patterns take exponential
	// time.
	maxMatchSteps = 100_000_000
	// stepsBetweenLooks is how many steps a match does before it looks whether it was cancelled.
	stepsBetweenLooks = 1 << 16
)

const (
	capturePosition   = -1
	captureUnfinished = -2
)

var (
	errPatternCost      = errors.New("the pattern takes too long on this text: make it simpler or the text shorter")
	errPatternCancelled = errors.New("cancelled")
)

// matcher is Lua 5.1's pattern matching, with bounds and a way to stop it.
type matcher struct {
	src, pat string
	level    int // captures so far, finished or not
	captures [maxCaptures]struct{ start, len int }
	depth    int
	steps    int
	stop     context.Context // ends the match when it is done
}

// find is the first match that begins at start or later: its bounds, or from < 0. The captures stay
// in m. Patterns that begin with ^ match at start alone.
func (m *matcher) find(start int) (from, to int) {
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

// fail ends a match with an error, which stringMatcher turns into one at the script's place.
func (m *matcher) fail(text string) { panic(errors.New(text)) }

func (m *matcher) step() {
	if m.steps++; m.steps%stepsBetweenLooks != 0 {
		return
	}
	if m.steps > maxMatchSteps {
		panic(errPatternCost)
	}
	select {
	case <-m.stop.Done():
		panic(errPatternCancelled)
	default:
	}
}

// match matches the pattern from p at s and returns where the match ends, or -1.
func (m *matcher) match(s, p int) int {
	m.depth++
	defer func() { m.depth-- }()
	if m.depth > maxMatchDepth {
		panic(errPatternCost)
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
					if s = m.balance(s, p+2); s < 0 {
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
					if s = m.back(s, c); s < 0 {
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

func (m *matcher) longest(s, p, end int) int {
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

func (m *matcher) shortest(s, p, end int) int {
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

func (m *matcher) open(s, p, what int) int {
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

func (m *matcher) close(s, p int) int {
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

// balance is %bxy.
func (m *matcher) balance(s, p int) int {
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

// back is %1 to %9.
func (m *matcher) back(s int, digit byte) int {
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
