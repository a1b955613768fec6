package fleet

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	"dkvrun/runtime/wire"
)

// Seeded is the store that every manager has from the beginning: with an instance on each of the first
// six, seeded-1 to seeded-6. Its description is about 2 KB.
const Seeded = "SeededStore"

const seededInstances = 6

// stores is what the managers of one process keep.
type stores struct {
	mu   sync.Mutex
	kept map[string]map[string]*wire.Store // by manager, then by name
	once sync.Once
	list []byte // the answer of a manager that has no more than the seeded store, and nothing of it
}

// seeds says whether an instance of the seeded store is a manager's.
func (p Plan) seeds(manager string) bool {
	for i := range min(seededInstances, p.Count) {
		if p.Address(i) == manager {
			return true
		}
	}
	return false
}

func seeded(p Plan, manager string) *wire.Store {
	store := &wire.Store{Name: Seeded, Status: wire.StoreRunning, Engine: "etcd", Operation: "0199f3a0-0000-7000-8000-000000000000", Revision: 1}
	for i := range min(seededInstances, p.Count) {
		host, _, _ := net.SplitHostPort(p.Address(i))
		own := p.Address(i) == manager
		store.Instances = append(store.Instances, wire.Instance{
			Node: wire.Node{
				Name: fmt.Sprintf("seeded-%d", i+1), Host: host, ClustronPort: 7811, ClientPort: 7861, Role: wire.Data, Manager: p.Address(i),
			},
			Own: own, Status: wire.Running, Desired: wire.DesiredRunning, Ready: own, PID: 4711, Started: true, Bootstrapped: true,
		})
	}
	store.Digest = wire.Digest(store.Name, store.Nodes())
	return store
}

// answer gives the status and the body of a manager's answer.
func (s *stores) answer(p Plan, manager string, r *request) (int, []byte) {
	path, _, _ := strings.Cut(r.path, "?")
	switch {
	case path == wire.HealthPath():
		return http.StatusOK, []byte(`{"status":"ok"}`)
	case path == wire.InfoPath():
		host, _, _ := net.SplitHostPort(manager)
		return http.StatusOK, encode(wire.Info{Identity: manager, Host: host, Listen: manager, Version: wire.Version})
	case path == wire.StoresPath() && r.method == http.MethodGet:
		return http.StatusOK, s.all(p, manager)
	case path == wire.StoresPath() && r.method == http.MethodPost:
		return s.create(manager, r)
	}
	rest, found := strings.CutPrefix(path, wire.StoresPath()+"/")
	if !found {
		return result("NotFound", http.StatusNotFound, wire.CodeNotFound, "There is nothing at "+path)
	}
	name, rest, _ := strings.Cut(rest, "/")
	return s.one(p, manager, r.method, name, strings.TrimPrefix(rest, "instances/"))
}

func (s *stores) all(p Plan, manager string) []byte {
	s.once.Do(func() { s.list = encode([]*wire.Store{seeded(p, "")}) })
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept[manager]) == 0 && !p.seeds(manager) {
		return s.list
	}
	list := []*wire.Store{seeded(p, manager)}
	for _, store := range s.kept[manager] {
		list = append(list, store)
	}
	return encode(list)
}

func (s *stores) create(manager string, r *request) (int, []byte) {
	var in io.Reader = bytes.NewReader(r.body)
	if r.gzipped {
		inflate, err := gzip.NewReader(in)
		if err != nil {
			return result("CreateStore", http.StatusBadRequest, wire.CodeBadRequest, err.Error())
		}
		in = inflate
	}
	var create wire.CreateStore
	if err := json.NewDecoder(in).Decode(&create); err != nil {
		return result("CreateStore", http.StatusBadRequest, wire.CodeBadRequest, err.Error())
	}
	store := &wire.Store{Name: create.Name, Status: wire.StoreStopped, Engine: "etcd", Operation: create.Operation, Revision: 1, Managers: create.Managers, Home: create.Home}
	host, _, _ := net.SplitHostPort(manager)
	for _, node := range create.Nodes {
		own := node.Manager == manager || node.Manager == "" && node.Host == host
		store.Instances = append(store.Instances, wire.Instance{Node: node, Own: own, Status: wire.Stopped, Desired: wire.DesiredStopped})
	}
	store.Digest = wire.Digest(store.Name, store.Nodes())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = map[string]map[string]*wire.Store{}
	}
	if s.kept[manager] == nil {
		s.kept[manager] = map[string]*wire.Store{}
	}
	s.kept[manager][store.Name] = store
	return result("CreateStore", http.StatusCreated, wire.CodeOK, "Created")
}

// one answers what is asked of one store, or of one of its instances: "orders-1/start".
func (s *stores) one(p Plan, manager, method, name, instance string) (int, []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	store := s.kept[manager][name]
	if name == Seeded {
		store = seeded(p, manager)
	}
	switch {
	case store == nil:
		return result("GetStore", http.StatusNotFound, wire.CodeStoreNotFound, "There is no store "+name)
	case instance == "" && method == http.MethodGet:
		return http.StatusOK, encode(store)
	case instance == "" && method == http.MethodDelete:
		delete(s.kept[manager], name)
		return result("RemoveStore", http.StatusOK, wire.CodeOK, "Removed")
	}
	instance, verb, _ := strings.Cut(instance, "/")
	status, desired := wire.Running, wire.DesiredRunning
	if verb == "stop" {
		status, desired = wire.Stopped, wire.DesiredStopped
	}
	for i := range store.Instances {
		if in := &store.Instances[i]; in.Name == instance && in.Own {
			in.Status, in.Desired, in.Ready, in.Started = status, desired, status == wire.Running, true
			return result("ChangeInstance:"+instance, http.StatusOK, wire.CodeOK, string(status))
		}
	}
	return result("ChangeInstance:"+instance, http.StatusNotFound, wire.CodeInstanceNotFound, "There is no instance "+instance+" here")
}

func result(operation string, status int, code, message string) (int, []byte) {
	return status, encode(wire.Result{Operation: operation, Success: status/100 == 2, StatusCode: status, Code: code, Message: message})
}

// encode writes the protocol's types, which can all be written.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
