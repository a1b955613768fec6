package catalog

import (
	"slices"

	"dkvrun/runtime/wire"
)

// Bounds of a catalog. Every change writes all of it, and the manager keeps several copies in memory.
const (
	maxStores = 4096
	maxBytes  = 16 << 20
	// keptDecisions is the number of decisions that a name keeps once the catalog exceeds maxBytes.
	keptDecisions = 4
)

// NeedRoom marks an Update as one that takes something new into the catalog, which is refused with catalog_full when
// the catalog would exceed a bound. Other updates are never refused: a vote promises that its commit fits (I4), and the
// end of an operation has to be written.
func (d *Data) NeedRoom() { d.needsRoom = true }

// checkRoom refuses a marked update whose result is over a bound. size is the length of the result in bytes.
func (c *Catalog) checkRoom(next *Data, size int) error {
	stores := next.promisedStores()
	if !next.needsRoom || size <= c.maxBytes && stores <= c.maxStores {
		return nil
	}
	return wire.RefuseCatalogFull.With(stores, c.maxStores, size>>10, c.maxBytes>>10)
}

// promisedStores returns the number of stores, plus the number of names for which a create operation is prepared.
func (d *Data) promisedStores() int {
	count := len(d.Stores)
	for key, n := range d.Names {
		if n.Prepared != nil && d.Named(key) == nil {
			count++
		}
	}
	return count
}

// trimHistory drops old decisions. Correctness doesn't depend on them; the epochs stay.
func (d *Data) trimHistory() {
	for key, n := range d.Names {
		if len(n.Decisions) > keptDecisions {
			trimmed := *n
			trimmed.Decisions = slices.Clone(n.Decisions[len(n.Decisions)-keptDecisions:])
			d.Names[key] = &trimmed
		}
	}
}
