package fakemanager

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"dkvrun/runtime/wire"
)

// route is a route of the admin API.
type route struct {
	method string
	// path follows wire.Prefix; {store}, {instance} and {operation} each stand for one path segment.
	path   string
	action string
	// addressed: the request carries the identity of the manager it is meant for.
	addressed bool
	// queriesCoordinator: the manager asks the store's coordinator before it answers.
	queriesCoordinator bool
	handle             func(*manager, *request) any
}

// routes are the routes of fake managers, the most frequent first.
var routes = []route{
	{"GET", "/stores", "GetStores", false, false, (*manager).listStores},
	{"GET", "/info", "GetInfo", false, false, (*manager).getInfo},
	{"GET", "/health", "GetHealth", false, false, (*manager).getHealth},
	{"GET", "/certificates", "GetCertificates", false, false, (*manager).getCertificates},
	{"POST", "/stores", "CreateStore", false, false, (*manager).createStore},
	{"GET", "/stores/{store}", "GetStore", false, false, (*manager).getStore},
	{"DELETE", "/stores/{store}", "RemoveStore", false, false, (*manager).removeStore},
	{"POST", "/stores/{store}/instances/{instance}/start", "StartInstance", false, false, (*manager).startInstance},
	{"POST", "/stores/{store}/instances/{instance}/stop", "StopInstance", false, false, (*manager).stopInstance},
	{"POST", "/stores/{store}/instances/{instance}/restart", "RestartInstance", false, false, (*manager).restartInstance},
	{"GET", "/stores/{store}/state", "GetState", false, false, (*manager).getState},
	{"POST", "/stores/{store}/settle", "Settle", true, true, (*manager).getState},
	{"POST", "/operations", "Prepare", true, false, (*manager).prepare},
	{"GET", "/operations/{operation}", "GetOperation", false, false, (*manager).getOperation},
	{"POST", "/operations/{operation}/commit", "Commit", true, false, (*manager).commit},
	{"POST", "/operations/{operation}/abort", "Abort", true, false, (*manager).abort},
	{"POST", "/operations/{operation}/renew", "Renew", true, false, (*manager).renew},
}

// patterns are the routes' paths, split.
var patterns = func() [][]string {
	out := make([][]string, len(routes))
	for i, r := range routes {
		out[i] = strings.Split(r.path, "/")
	}
	return out
}()

// route returns the request's route, or nil, and sets the names and the query from its path.
func (r *request) route() *route {
	path, query, _ := strings.Cut(r.path, "?")
	path, ok := strings.CutPrefix(path, wire.Prefix)
	if !ok {
		return nil
	}
	words := strings.Split(path, "/")
	for i := range routes {
		if routes[i].method == r.method && r.matches(words, patterns[i]) {
			if query != "" {
				r.query, _ = url.ParseQuery(query) // a malformed parameter counts as missing
			}
			return &routes[i]
		}
	}
	return nil
}

// matches reports whether a path matches a pattern, and sets the names from it.
func (r *request) matches(words, pattern []string) bool {
	if len(words) != len(pattern) {
		return false
	}
	for i, want := range pattern {
		switch want {
		case "{store}":
			r.store = words[i]
		case "{instance}":
			r.instance = words[i]
		case "{operation}":
			r.operation = words[i]
		case words[i]:
		default:
			return false
		}
	}
	return true
}

// document is an answer already encoded as JSON.
type document []byte

// encodeAnswer returns status and body of the answer to a request: a result, or another value of the protocol. A
// refusal names the manager, and the operation that the request is about.
func (m *manager) encodeAnswer(action string, r *request, value any) (int, []byte) {
	switch v := value.(type) {
	case document:
		return http.StatusOK, v
	case *wire.Result:
		v.Action, v.Store, v.Digest = action, r.store, r.digest
		if !v.Success {
			v.Manager, v.OperationID = m.identity, r.operation
		}
		return v.StatusCode, encode(v)
	}
	return http.StatusOK, encode(value)
}

// encode marshals a value of the protocol, which can't fail.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
