package data

import (
	"cmp"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// listed returns the stores that the managers of the session on the endpoints' hosts list, because each lists its own
// instances. A manager that does not answer refuses nothing: a store can be used without its managers.
func (s *store) listed(c *runtime.Call) []wire.Store {
	if s.session == nil {
		return nil
	}
	var there []cluster.Member
	for _, m := range s.session.Members() {
		for _, e := range s.endpoints {
			if sameHost(m.Host, e.Host) {
				there = append(there, m)
				break
			}
		}
	}
	if len(there) == 0 {
		return nil
	}
	all, err := s.query(c, there, wire.StoresPath())
	if err != nil {
		return nil
	}
	var stores []wire.Store
	for i := range all {
		var listed []wire.Store
		if all[i].Decode(&listed) {
			stores = append(stores, listed...)
		}
	}
	return stores
}

// ofOther returns the first endpoint that is listed as a client port of another store than name, and that store's name;
// "" if there is none.
func ofOther(stores []wire.Store, name string, endpoints []fanout.Endpoint) (at fanout.Endpoint, other string) {
	for _, e := range endpoints {
		if other := owner(stores, name, e); other != "" && other != name {
			return e, other
		}
	}
	return at, ""
}

// listedIdentity returns the identity of a listed store. It is empty if the store is not listed, or managers list
// different stores of that name.
func listedIdentity(stores []wire.Store, name string) *identity {
	creation, cluster := "", ""
	for _, store := range stores {
		if store.Name != name {
			continue
		}
		if creation != "" && creation != store.Creation {
			return newIdentity("", "")
		}
		creation = store.Creation
		for _, in := range store.Instances {
			cluster = cmp.Or(cluster, in.Cluster)
		}
	}
	return newIdentity(creation, cluster)
}

// owner returns the name of the store that has a client port: name if it is one of several, "" if no store has it.
func owner(stores []wire.Store, name string, at fanout.Endpoint) string {
	found := ""
	for _, store := range stores {
		for _, n := range store.Nodes() {
			if n.ClientPort != at.Port || !sameHost(n.Host, at.Host) {
				continue
			}
			if store.Name == name {
				return name
			}
			found = store.Name
		}
	}
	return found
}
