package run

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"sync"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/report"
	"dkvrun/runtime/wire"
)

// plannedState holds the effects of a dry run: stores by name, with nil for a store that would be removed. Responses
// are shown with these effects, so that a script that creates, starts and reads a store runs to its end.
type plannedState struct {
	mu     sync.Mutex
	stores map[string]*wire.Store
	data   map[string]*PlannedData // by store
}

// set stores the planned state of a store.
func (p *plannedState) set(name string, store *wire.Store) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stores == nil {
		p.stores = map[string]*wire.Store{}
	}
	p.stores[name] = store
}

// has reports whether the dry run has planned anything for a store.
func (p *plannedState) has(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, planned := p.stores[name]
	return planned
}

// all returns a copy of the planned stores.
func (p *plannedState) all() map[string]*wire.Store {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.stores)
}

// reset removes all effects.
func (p *plannedState) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stores, p.data = nil, nil
}

// dataOf returns the planned data of a store.
func (p *plannedState) dataOf(store string) *PlannedData {
	planned := p.has(store)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.data == nil {
		p.data = map[string]*PlannedData{}
	}
	d := p.data[store]
	if d == nil {
		d = &PlannedData{values: map[string][]byte{}}
		p.data[store] = d
	}
	d.whole = d.whole || planned
	return d
}

// overlay rewrites the managers' responses as if the dry run's changes had been applied.
func (p *plannedState) overlay(path string, responses []cluster.Response, read cluster.Reader) {
	stores := p.all()
	for _, name := range slices.Sorted(maps.Keys(stores)) {
		for i := range responses {
			r := &responses[i]
			switch {
			case path == wire.StorePath(name):
				overlayStore(r, stores[name])
			case path == wire.StoresPath() && r.Row.Success:
				overlayList(r, name, stores[name])
			default:
				continue
			}
			r.Read(read)
		}
	}
}

// overlayStore replaces the store of a response with the planned one, or with the answer that the store doesn't exist.
func overlayStore(r *cluster.Response, store *wire.Store) {
	if r.Answer.Err != nil {
		return // a manager without an answer stays without one
	}
	if store == nil {
		r.Answer.Status = http.StatusNotFound
		r.Row = report.Row{
			Manager: r.Endpoint.String(), Result: report.Failed, StatusCode: http.StatusNotFound,
			Code: wire.CodeStoreNotFound, Message: "the store would be gone",
		}
		return
	}
	r.Answer.Status, r.Answer.Body = http.StatusOK, encoded(storeAt(r, store))
	r.Row = report.Row{Success: true}
}

// overlayList does the same in a list of stores.
func overlayList(r *cluster.Response, name string, store *wire.Store) {
	var list []wire.Store
	if json.Unmarshal(r.Answer.Body, &list) != nil {
		return
	}
	list = slices.DeleteFunc(list, func(s wire.Store) bool { return s.Name == name })
	if store != nil {
		list = append(list, storeAt(r, store))
	}
	r.Answer.Body = encoded(list)
}

// storeAt returns the store as this manager would report it.
func storeAt(r *cluster.Response, store *wire.Store) wire.Store {
	out := *store
	out.Instances = slices.Clone(store.Instances)
	var own []wire.Instance
	for i := range out.Instances {
		in := &out.Instances[i]
		if in.Own = ownedBy(in.Node, r.Member); !in.Own {
			in.Status, in.Ready = wire.Unknown, false
			continue
		}
		own = append(own, *in)
	}
	out.Status, _ = wire.StoreStatusOf(own)
	return out
}

func encoded(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // all fields of the protocol can be encoded
	}
	return text
}
