package catalog

import (
	"encoding/json"
	"fmt"

	"dkvrun/runtime/wire"
)

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

// ReadOnly returns the refusal of every change until the next start of the manager, or nil: the catalog is lost, or it
// could not be made whole.
func (c *Catalog) ReadOnly() *wire.Result {
	switch {
	case c.lost != "":
		return wire.RefuseCatalogLost.With(c.lost)
	case c.unwritable != "":
		return wire.RefuseCatalogNotWhole.With(c.dir, c.unwritable)
	}
	return nil
}
