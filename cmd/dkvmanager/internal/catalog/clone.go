package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
)

// Digest returns the SHA-256 over the names, operations, revisions and digests of all stores. Two managers with
// the same stores have the same digest; the state of local instances is not part of it. GET /info
// shows it, so that a tool sees without reading all stores whether managers agree (I5).
func (d *Data) Digest() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(d.Stores)) {
		s := d.Stores[name]
		fmt.Fprintf(h, "store %q %q %d %q\n", s.Name, s.Creation, s.Revision, s.Digest)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// share returns a copy of the maps and lists of d, which shares their values.
func (d *Data) share() *Data {
	return &Data{
		Stores: maps.Clone(d.Stores), Names: maps.Clone(d.Names),
		SuspectStores: slices.Clone(d.SuspectStores), Deletions: slices.Clone(d.Deletions),
		SuspectNames: d.SuspectNames, DroppedEpoch: d.DroppedEpoch,
	}
}

// clone returns a copy that shares nothing that Update's callers may change. The values of Names are shared,
// because they are immutable. A shared value that f edits would be visible before it is durable, and would stay when
// the write fails (I1, I4).
func (d *Data) clone() *Data {
	out := &Data{
		Stores: make(map[string]*Store, len(d.Stores)),
		Names:  maps.Clone(d.Names), SuspectStores: slices.Clone(d.SuspectStores), Deletions: slices.Clone(d.Deletions),

		SuspectNames: d.SuspectNames, DroppedEpoch: d.DroppedEpoch,
	}
	for name, s := range d.Stores {
		out.Stores[name] = s.clone()
	}
	return out
}

// clone returns a copy of a store. Its lists are copied too, so that no function of an Update can edit what a snapshot
// shares.
func (s *Store) clone() *Store {
	out := *s
	out.Managers = slices.Clone(s.Managers)
	out.Founders = slices.Clone(s.Founders)
	out.Nodes = slices.Clone(s.Nodes)
	out.Local = make(map[string]*Local, len(s.Local))
	for name, l := range s.Local {
		local := *l
		if l.Leaving != nil {
			node := *l.Leaving
			local.Leaving = &node
		}
		out.Local[name] = &local
	}
	return &out
}
