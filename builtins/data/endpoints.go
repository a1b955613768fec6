package data

import (
	"cmp"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	secured "dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// asApplication reports whether the run is one of an application, whose credential is the only one that it has.
func (s *store) asApplication(r *run.Run) bool {
	manager := s.manager()
	if r.Credentials == nil || manager.Scheme != "https" {
		return false
	}
	who, only := r.Credentials.For(manager).Only()
	return only && who.Kind == secured.App
}

// mayBeApplication reports whether the run may be one of an application: its certificate is of another authority than
// the cluster's, and only the managers know for whom it stands.
func (s *store) mayBeApplication(r *run.Run) bool {
	return r.Credentials != nil && r.Credentials.For(s.manager()).IsExternal()
}

// askEndpoints asks the managers for the client ports of the store, which is all that they tell its applications.
func (s *store) askEndpoints(c *runtime.Call, r *run.Run) error {
	all, err := r.Query(c, wire.EndpointsPath(s.name), cluster.EndpointsReader(s.name))
	if err != nil {
		return err
	}
	var latest *wire.StoreEndpoints
	var silent []report.Row
	for i := range all {
		ports, read := all[i].Value.(*wire.StoreEndpoints)
		switch {
		case !read && !all[i].Answered():
			silent = append(silent, all[i].Row)
		case read && (latest == nil || ports.Revision > latest.Revision):
			latest = ports
		}
	}
	if latest == nil {
		if len(silent) == len(all) {
			return run.Raise(c, cluster.NoAnswer(c.Name, silent))
		}
		return r.UnknownStore(c, s.name, silent, len(all))
	}
	s.id = newIdentity(latest.Creation, latest.Cluster)
	for _, p := range latest.Endpoints {
		s.endpoints = append(s.endpoints, s.clientPort(fanout.Endpoint{Host: p.Host, Port: p.Port}))
	}
	return nil
}

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
