package catalog

import (
	"encoding/json"
	"fmt"

	"dkvrun/runtime/wire"
)

// lostError means that a catalog existed and that no generation of it can be read. An empty catalog must not
// replace it: that would forget votes and decisions (I1, I4).
type lostError string

func (e lostError) Error() string { return string(e) }

// Lost returns a sentence that says why the existing catalog can't be read, or "" for any other catalog. A lost catalog
// is read-only until an operator has restored a copy. The manager then shows and keeps running the instances whose
// folders it finds, but neither votes nor decides.
func (c *Catalog) Lost() string { return c.lost }

// UseRecovered makes a lost catalog show d, which was recovered from elsewhere; nothing is written. It must be
// called before all other methods.
func (c *Catalog) UseRecovered(d *Data) error {
	payload, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("catalog: %w", err)
	}
	c.payload = payload // an Update that leaves d as it is succeeds; every other one is refused
	c.data.Store(d.clone())
	return nil
}

// ReadOnly returns the refusal of a change while the catalog is lost.
func (c *Catalog) ReadOnly() *wire.Result {
	return wire.RefuseCatalogLost.With(c.lost)
}
