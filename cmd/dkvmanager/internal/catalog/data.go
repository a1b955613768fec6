// Package catalog keeps on disk which stores should exist on this server. It is the only memory that
// survives the manager: what is not in it, or in an instance's folder, is not known after a restart.
package catalog

import (
	"maps"
	"slices"

	"dkvrun/runtime/wire"
)

// Data is the whole catalog.
type Data struct {
	Stores map[string]*Store `json:"stores"`
	// Names is what operations left behind of each store's name, in lower case: of stores that are there,
	// of those that were removed, and of those that are only being voted for. What it points to is never
	// changed once it is visible.
	Names map[string]*Name `json:"names,omitempty"`
	// SuspectStores are the stores, in lower case, about which a vote may be missing: this catalog had to be
	// taken from an older generation, and their homes have not told how they are since.
	SuspectStores []string `json:"doubtful,omitempty"`
	// Deletions are the instance folders that this server has yet to delete. No other folder is ever
	// deleted: a catalog that doesn't know a folder may be an older copy than the folder.
	Deletions []Deletion `json:"deletions,omitempty"`
}

// Deletion names the folder of one instance of a removed store. Operation is the store's creating
// operation: the folder of a later store of the same name stays.
type Deletion struct {
	Store     string `json:"store"`
	Instance  string `json:"instance"`
	Operation string `json:"operation"`
}

// RemoveStore removes a store, and records that the folders of this server's instances are to be deleted.
// It does nothing where there is no such store.
func (d *Data) RemoveStore(name string) {
	s := d.Stores[name]
	if s == nil {
		return
	}
	for _, instance := range slices.Sorted(maps.Keys(s.Local)) {
		d.Deletions = append(d.Deletions, Deletion{Store: s.Name, Instance: instance, Operation: s.Creation})
	}
	delete(d.Stores, name)
}

// Store is one store of the catalog.
type Store struct {
	Name   string `json:"name"`
	Engine string `json:"engine"`
	// Creation is the id of the creating operation: it names the data folders and the engine's cluster.
	Creation string `json:"operation"`
	// LastOperation is the id of the operation that made this revision; empty where none did.
	LastOperation string `json:"change,omitempty"`
	Revision      uint64 `json:"revision"`
	// Epoch is that of the last committed change.
	Epoch       uint64         `json:"epoch"`
	Digest      string         `json:"digest"`
	Coordinator string         `json:"home,omitempty"`
	Managers    []wire.Manager `json:"managers"`
	Founders    []wire.Founder `json:"founders"`
	// Nodes is the topology, every role set.
	Nodes []wire.Node `json:"nodes"`
	// Local is what this server adds for its own instances, by name; those that the topology has
	// dropped and that are not gone yet included.
	Local map[string]*Local `json:"local"`
}

// Local is the state of one of this server's instances.
type Local struct {
	Desired wire.Desired `json:"desired"`
	// Started is set once the instance has been asked to run, and stays: its folder may hold the
	// beginnings of a store with the founders of then.
	Started bool `json:"started,omitempty"`
	// Bootstrapped is the durable mark outside the data folder that the instance has been part of the
	// running store: from then on it never founds the store again, whatever its folder looks like.
	Bootstrapped bool `json:"bootstrapped"`
	// Leaving is the node as it was when the topology dropped it; nil while the topology has it.
	Leaving *wire.Node `json:"leaving,omitempty"`
	// LoseData: leave at once, without waiting for the store to take the instance out.
	LoseData bool `json:"loseData,omitempty"`
}
