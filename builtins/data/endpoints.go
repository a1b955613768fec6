package data

import (
	"dkvrun/builtins/internal/cluster"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// ofOther returns the first endpoint that a manager lists as a client port of another store, and that store's name; ""
// if there is none. It asks the managers of the session on the endpoints' hosts, because each lists its own instances.
// A manager that does not answer refuses nothing: a store can be used without its managers.
func (s *store) ofOther(c *runtime.Call) (at fanout.Endpoint, other string) {
	if s.session == nil {
		return at, ""
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
		return at, ""
	}
	all, err := s.query(c, there, wire.StoresPath())
	if err != nil {
		return at, ""
	}
	var stores []wire.Store
	for i := range all {
		var listed []wire.Store
		if all[i].Decode(&listed) {
			stores = append(stores, listed...)
		}
	}
	for _, e := range s.endpoints {
		if other := owner(stores, s.name, e); other != "" && other != s.name {
			return e, other
		}
	}
	return at, ""
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
