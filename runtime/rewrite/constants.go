package rewrite

// gopher-lua 1.1.2 searches the constants of a function one by one for each name, text and number in it, so the time to
// compile grows with the square of their number. No upstream issue is known. The rewriter counts the comparisons and
// refuses a source that needs too many.

const (
	// maxLookups limits the constants that gopher-lua compares while it compiles a source. It does as many in about a
	// second.
	maxLookups = 50_000_000
	// lookupsFrom is the size in bytes of the smallest source that can exceed maxLookups.
	lookupsFrom = 32 << 10
)

const tooManyLookups = "too many different names, texts and numbers in one function: divide it, or hold them as JSON text"

// constants maps each constant of a function to its index, in order of first use. It is nil if they aren't counted.
type constants map[string]int

// constant counts a use of a constant.
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
