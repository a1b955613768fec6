// Package catalog keeps on disk which stores should exist on this server, and the records of two-phase commit:
// the highest epoch that this manager has voted for, the prepared operation and the decisions of each name.
//
// It is the manager's only durable memory beside the instances' folders. The protocol (package twophase) relies
// on three properties of Update: it is atomic, it is durable before it returns, and a failed Update changes
// nothing. So a vote is on disk before it is given (I1, I4), and an instance runs only a configuration that was
// committed here (I3).
package catalog

import (
	"maps"
	"slices"
	"strings"

	"dkvrun/runtime/wire"
)

// Data is the content of the catalog.
type Data struct {
	// Stores holds the committed stores, by name: one configuration for each name (I2), and only committed ones (I3).
	// Prepared operations are in Names.
	Stores map[string]*Store `json:"stores"`
	// Names holds the protocol's records of each store name, keyed in lower case: of existing stores, of removed
	// ones, and of stores that are only prepared. A *Name is immutable once it is visible; SetName replaces it.
	Names map[string]*Name `json:"names,omitempty"`
	// SuspectStores lists the stores, in lower case, for which a vote may be missing: the catalog was loaded from
	// an older generation, and their coordinators have not confirmed the stores since.
	SuspectStores []string `json:"doubtful,omitempty"`
	// SuspectNames means that a vote may be missing for any name of which there is no store, unless Name.Confirmed.
	SuspectNames bool `json:"doubtfulNames,omitempty"`
	// DroppedEpoch is the highest epoch of the names whose records were dropped. See SeenEpoch.
	DroppedEpoch uint64 `json:"droppedEpoch,omitempty"`
	// Deletions lists the instance folders that this server has yet to delete. No other folder is ever
	// deleted: a catalog that doesn't know a folder may be older than the folder.
	Deletions []Deletion `json:"deletions,omitempty"`
	// needsRoom is set by NeedRoom, and lasts for one Update.
	needsRoom bool
}

// markAllSuspect marks every store, every prepared operation's name and all unknown names as suspect: the catalog may
// lack its last changes. The marks are written with the generation that is loaded, since nothing else would show after
// another restart that a later one was lost.
func (d *Data) markAllSuspect() {
	for name := range d.Stores {
		d.SuspectStores = append(d.SuspectStores, strings.ToLower(name))
	}
	for key, n := range d.Names {
		if n.Prepared != nil {
			d.SuspectStores = append(d.SuspectStores, key)
		}
	}
	slices.Sort(d.SuspectStores)
	d.SuspectStores = slices.Compact(d.SuspectStores)
	d.SuspectNames = true
	for key, n := range d.Names {
		if n.Confirmed {
			d.SetName(key, func(n *Name) { n.Confirmed = false })
		}
	}
}

// Deletion names the data of one instance of a removed store. Operation is the id of the store's creating
// operation, so that the data of a later store of the same name stays.
//
// The record is written with the removal, before anything is deleted, and dropped after the data is gone. A supervisor
// that finds it after a crash completes the deletion; repeating it does no harm.
type Deletion struct {
	Store     string `json:"store"`
	Instance  string `json:"instance"`
	Operation string `json:"operation"`
}

// RemoveStore removes a store and records that the folders of this server's instances are to be deleted. Both
// become durable with the same Update. It does nothing when there is no such store.
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
	// Creation is the id of the creating operation. It names the data folders and the engine's cluster, so that
	// two stores of the same name never share data.
	Creation string `json:"operation"`
	// LastOperation is the id of the operation that committed this revision; empty if there was none. With Revision it
	// is what an operation builds on (I6): a store that was removed and created again has the same revisions.
	LastOperation string `json:"change,omitempty"`
	// Revision is 1 for a new store and grows by 1 with every change of the topology.
	Revision uint64 `json:"revision"`
	// Epoch is the epoch of the last committed operation.
	Epoch uint64 `json:"epoch"`
	// Digest is the digest of the name and the topology. Managers compare it to see that they are alike (I5).
	Digest string `json:"digest"`
	// Coordinator is the identity of the manager whose decision counts. Only a coordinator replacement changes it (I8).
	Coordinator string `json:"home,omitempty"`
	// Managers lists the participants of every operation of this store, the coordinator included. A manager in doubt
	// finds the coordinator's address here, without a runner.
	Managers []wire.Manager `json:"managers"`
	// Founders lists the data instances that bootstrap the engine's cluster together. All of them must start with the
	// same list, also when the topology has changed before the first start.
	Founders []wire.Founder `json:"founders"`
	// Nodes is the topology; every node has a role.
	Nodes []wire.Node `json:"nodes"`
	// ClusterTLS means that the cluster ports speak TLS: see wire.Configuration.
	ClusterTLS bool `json:"clusterTls,omitempty"`
	// Local holds the state of this server's instances, by name. It includes the instances that the topology has
	// dropped and that have not left yet.
	Local map[string]*Local `json:"local"`
}

// Local is the state of one of this server's instances.
type Local struct {
	// Desired is durable so that a restarted manager starts what ran, and nothing that was stopped.
	Desired wire.Desired `json:"desired"`
	// Started is set when the instance is first asked to run, and never cleared: the data folder may then hold
	// a cluster that was bootstrapped with the founders of that time.
	Started bool `json:"started,omitempty"`
	// Bootstrapped records outside the data folder that the instance has been a member of the running store.
	// From then on it never bootstraps the store again, even with an empty data folder.
	Bootstrapped bool `json:"bootstrapped"`
	// Leaving is the node as it was when the topology dropped it; nil while the topology has it.
	Leaving *wire.Node `json:"leaving,omitempty"`
	// LoseData makes the instance leave at once, without waiting until the store has removed it.
	LoseData bool `json:"loseData,omitempty"`
}
