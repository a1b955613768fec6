// Package low is imported by package high, although it is after high in the order of packages.
package low

// Used is used by package high.
func Used() int { return counter{}.n }

// Parts is used by package high, and with it the type of its results.
func Parts() map[string][]*Part { return nil }

// Part is returned by Parts; no other package writes its name.
type Part struct{}

// Unused is exported and not used.
func Unused() {}

// Number has an unused method, and a method that an interface requires.
type Number int

// Twice is exported and not used.
func (n Number) Twice() Number { return 2 * n }

// String is used through fmt.Stringer.
func (n Number) String() string { return "n" }

type counter struct{ n int }
