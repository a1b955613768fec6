// Package low is imported by high, although the order of packages has it later.
package low

// Used is used by package high.
func Used() int { return counter{}.n }

// Unused is exported and nobody uses it.
func Unused() {}

// Number has a method that nobody uses, and one that an interface asks for.
type Number int

// Twice is exported and nobody uses it.
func (n Number) Twice() Number { return 2 * n }

// String is used through fmt.Stringer.
func (n Number) String() string { return "n" }

type counter struct{ n int }
