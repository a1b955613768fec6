package catalog

import (
	"encoding/json"
	"fmt"

	"dkvrun/runtime/wire"
)

// lostError says that a catalog was there and that no generation of it can be read. Nothing empty may
// take its place.
type lostError string

func (e lostError) Error() string { return string(e) }

// Lost says in a sentence why this catalog, which was there, can't be read any more; it is empty for all
// others. A lost catalog is never written: it stays as it is until an operator has put a copy back.
func (c *Catalog) Lost() string { return c.lost }

// UseRecovered shows in place of a lost catalog what is known from elsewhere. It comes before all other calls.
func (c *Catalog) UseRecovered(d *Data) error {
	payload, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("catalog: %w", err)
	}
	c.payload = payload
	c.data.Store(d.clone())
	return nil
}

// ReadOnly refuses a change of a lost catalog.
func (c *Catalog) ReadOnly() *wire.Result {
	return &wire.Result{
		StatusCode: 503,
		Code:       wire.CodeReadOnly,
		Message:    "the manager only shows what runs: " + c.lost,
		Hint:       "nothing was changed; stop the manager, put back a copy of the catalog, start it again",
	}
}
