package builtins

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/report"
	"dkvrun/runtime/wire"
)

// foresight is what a dry run has planned: stores by name, nil for one that would be gone. What managers
// answer is seen through it, so that a script which makes, starts and reads a store runs to its end.
type foresight struct {
	mu     sync.Mutex
	stores map[string]*wire.Store
	data   map[string]*imagined // by store
}

func (r *Run) foresee(name string, store *wire.Store) {
	r.foresight.mu.Lock()
	defer r.foresight.mu.Unlock()
	if r.foresight.stores == nil {
		r.foresight.stores = map[string]*wire.Store{}
	}
	r.foresight.stores[name] = store
}

// foreseen is the store as the dry run has planned it; planned says whether it has.
func (r *Run) foreseen(name string) (store *wire.Store, planned bool) {
	r.foresight.mu.Lock()
	defer r.foresight.mu.Unlock()
	store, planned = r.foresight.stores[name]
	return store, planned
}

// plannedNames are the stores that the dry run has planned anything for.
func (r *Run) plannedNames() []string {
	r.foresight.mu.Lock()
	defer r.foresight.mu.Unlock()
	var names []string
	for name := range r.foresight.stores {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// through makes what managers answered to a question for stores what they would answer had the plan been
// carried out.
func (r *Run) overlay(path string, all []cluster.Response) {
	for _, name := range r.plannedNames() {
		store, _ := r.foreseen(name)
		for i := range all {
			h := &all[i]
			switch {
			case path == wire.StorePath(name):
				foretell(h, store)
			case path == wire.StoresPath() && h.Row.Success:
				foretellAmong(h, name, store)
			}
		}
	}
}

// foretell makes a manager answer with the planned store, or that there is none.
func foretell(h *cluster.Response, store *wire.Store) {
	if h.Answer.Err != nil {
		return // it did not answer, and would not have
	}
	if store == nil {
		h.Answer.Status = http.StatusNotFound
		h.Row = report.Row{Manager: h.Endpoint.String(), Result: report.Failed, StatusCode: http.StatusNotFound, Code: wire.CodeStoreNotFound, Message: "the store would be gone"}
		return
	}
	h.Answer.Status, h.Answer.Body = http.StatusOK, encoded(seenBy(h, store))
	h.Row = report.Row{Success: true}
}

// foretellAmong does so in a list of stores.
func foretellAmong(h *cluster.Response, name string, store *wire.Store) {
	var list []wire.Store
	if json.Unmarshal(h.Answer.Body, &list) != nil {
		return
	}
	list = slices.DeleteFunc(list, func(s wire.Store) bool { return s.Name == name })
	if store != nil {
		list = append(list, seenBy(h, store))
	}
	h.Answer.Body = encoded(list)
}

// seenBy is the store as this manager would show it.
func seenBy(h *cluster.Response, store *wire.Store) wire.Store {
	out := *store
	out.Instances = slices.Clone(store.Instances)
	running, own := 0, 0
	for i := range out.Instances {
		in := &out.Instances[i]
		in.Own = ownedBy(in.Node, h.Member)
		if !in.Own {
			in.Status, in.Ready = wire.Unknown, false
			continue
		}
		own++
		if in.Status == wire.Running {
			running++
		}
	}
	switch {
	case own == 0:
		out.Status = wire.StoreNoInstances
	case running == own:
		out.Status = wire.StoreRunning
	case running == 0:
		out.Status = wire.StoreStopped
	default:
		out.Status = wire.StorePartial
	}
	return out
}

func encoded(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain fields of the protocol: a mistake in this program
	}
	return text
}
