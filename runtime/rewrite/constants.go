package rewrite

const (
	// maxLookups is how many constants the compiler may look through, about a second: it goes through
	// those that a function has for each name, text and number that the function holds.
	maxLookups = 50_000_000
	// lookupsFrom is the size, in bytes, of the smallest source that could need more.
	lookupsFrom = 32 << 10
)

const tooManyLookups = "too many different names, texts and numbers in one function: divide it, or hold them as JSON text"

// constants are those of one function, numbered in the order in which they come. A nil one counts nothing.
type constants map[string]int

// constant notes a use of a constant.
func (m *rewriter) constant(line int, text string) {
	if m.constants == nil {
		return
	}
	i, known := m.constants[text]
	if !known {
		i = len(m.constants)
		m.constants[text] = i
	}
	if m.lookups += i; m.lookups > maxLookups {
		m.refuse(line, tooManyLookups)
	}
}
