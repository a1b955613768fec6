package admin

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// route is one row of the table of routes.
type route struct {
	method string
	// path follows wire.Prefix; {store}, {instance} and {operation} each stand for one name.
	path string
	// action is the result's operation; for an instance, ":INSTANCE" is appended.
	action string
	// params lists the query parameters that the route accepts.
	params []string
	// body means that the request has a JSON body.
	body bool
	// roles lists the roles of which a caller needs one; none means that everybody may make the request. does says in
	// refusals what the caller may not do.
	roles  []identity.Role
	does   string
	handle func(*API, *request) (any, error)
}

// routes is the whole API.
var routes = []route{
	{"GET", "/stores", "GetStores", nil, false, viewer, "list stores", (*API).listStores},
	{"POST", "/stores", "CreateStore", nil, true, admin, "create a store", (*API).createStore},
	{"GET", "/stores/{store}", "GetStore", nil, false, viewerOrManager, "read a store", (*API).getStore},
	{"DELETE", "/stores/{store}", "RemoveStore", []string{"force"}, false, admin, "remove a store", (*API).removeStore},
	{"POST", "/stores/{store}/instances", "AddInstance", nil, true, admin, "add an instance", (*API).addInstance},
	{"DELETE", "/stores/{store}/instances/{instance}", "RemoveInstance", []string{"baseRevision", "loseData", "founding"}, false, admin, "remove an instance", (*API).removeInstance},
	{"POST", "/stores/{store}/instances/{instance}/start", "StartInstance", nil, false, operator, "start an instance", (*API).startInstance},
	{"POST", "/stores/{store}/instances/{instance}/stop", "StopInstance", []string{"force"}, false, operator, "stop an instance", (*API).stopInstance},
	{"POST", "/stores/{store}/instances/{instance}/restart", "RestartInstance", []string{"rolling", "without"}, false, operator, "restart an instance", (*API).restartInstance},
	{"GET", "/stores/{store}/state", "GetState", []string{"content"}, false, viewerOrManager, "read a store's state", (*API).getState},
	{"GET", "/stores/{store}/endpoints", "GetEndpoints", nil, false, viewerOrApp, "read a store's client ports", (*API).getEndpoints},
	{"POST", "/stores/{store}/settle", "Settle", []string{"to", "home"}, false, operatorOrManager, "resolve a store", (*API).resolve},
	{"POST", "/stores/{store}/fence", "Fence", []string{"to"}, true, operator, "repair a store", (*API).fence},
	{"POST", "/stores/{store}/decide", "Decide", []string{"to"}, true, operator, "repair a store", (*API).decide},
	{"POST", "/stores/{store}/heal", "Heal", []string{"to"}, true, operator, "repair a store", (*API).heal},
	{"POST", "/stores/{store}/members", "ChangeMember", []string{"to", "from"}, true, manager, "change the members of a store", (*API).changeMember},
	{"POST", "/operations", "Prepare", []string{"to"}, true, admin, "change a topology", (*API).prepare},
	{"GET", "/operations", "GetOperations", nil, false, viewer, "list operations", (*API).listOperations},
	{"GET", "/operations/{operation}", "GetOperation", nil, false, viewer, "read an operation", (*API).getOperation},
	{"POST", "/operations/{operation}/commit", "Commit", []string{"to", "epoch"}, false, admin, "change a topology", (*API).commit},
	{"POST", "/operations/{operation}/abort", "Abort", []string{"to"}, true, admin, "change a topology", (*API).abort},
	{"POST", "/operations/{operation}/renew", "Renew", []string{"to"}, false, admin, "change a topology", (*API).renew},
	{"GET", "/stores/{store}/instances/{instance}/log", "GetLog", []string{"tail"}, false, viewer, "read an instance's log", (*API).getLog},
	{"GET", "/metrics", "GetMetrics", []string{"windowSec", "store"}, false, viewer, "read metrics", (*API).getMetrics},
	{"GET", "/info", "GetInfo", nil, false, viewerOrManager, "read the manager's description", (*API).getInfo},
	{"GET", "/health", "GetHealth", nil, false, nobody, "ask whether the manager is alive", (*API).getHealth},
	{"GET", "/issuer", "GetIssuer", nil, false, manager, "have an issuer admitted",
		func(a *API, r *request) (any, error) { return a.membership.getIssuer(r) }},
	{"GET", "/certificates", "GetCertificates", nil, false, viewerOrManager, "read certificates", (*API).getCertificates},
	{"POST", "/join", "Join", nil, true, nobody, "join the cluster",
		func(a *API, r *request) (any, error) { return a.membership.join(r) }},
	{"GET", "/access", "GetAccess", []string{"head", "from", "url", "audit"}, false, adminOrManager, "read the access log", (*API).getAccess},
	{"POST", "/access", "AppendAccess", nil, true, admin, "change the access log",
		func(a *API, r *request) (any, error) { return a.membership.appendAccess(r) }},
	{"GET", "/access/state", "GetAccessState", nil, false, viewer, "list who has access",
		func(a *API, r *request) (any, error) { return a.membership.getState(r) }},
	{"POST", "/access/certificates", "MakeCertificate", nil, true, admin, "have a certificate made",
		func(a *API, r *request) (any, error) { return a.membership.makeCertificate(r) }},
	{"GET", "/openapi.json", "GetOpenAPI", nil, false, viewer, "read the API's description", (*API).getOpenAPI},
}

// match returns the route of a path. The path is still escaped, so that no escape can add a segment. methods lists the
// methods of the path; names holds the unescaped {…}.
func match(method, escaped string) (found *route, names map[string]string, methods []string) {
	path, ok := strings.CutPrefix(escaped, wire.Prefix)
	if !ok {
		return nil, nil, nil
	}
	got := strings.Split(path, "/")
	for i := range routes {
		r := &routes[i]
		values, ok := matchPath(strings.Split(r.path, "/"), got)
		if !ok {
			continue
		}
		methods = append(methods, r.method)
		if r.method == method {
			found, names = r, values
		}
	}
	slices.Sort(methods)
	return found, names, methods
}

func matchPath(want, got []string) (map[string]string, bool) {
	if len(want) != len(got) {
		return nil, false
	}
	names := map[string]string{}
	for i, segment := range want {
		if !strings.HasPrefix(segment, "{") {
			if segment != got[i] {
				return nil, false
			}
			continue
		}
		name, err := url.PathUnescape(got[i])
		if err != nil || name == "" {
			return nil, false
		}
		names[strings.Trim(segment, "{}")] = name
	}
	return names, true
}

// ServeHTTP serves one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	wire.SetManager(w.Header(), a.Catalog.Identity())
	if health := healthOf(a.Catalog); health != wire.HealthReady {
		w.Header().Set(wire.HealthHeader, string(health))
	}
	// The deadline also covers a refused request, whose rest of the body the server reads before it responds.
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(a.bodies.timeout)); err != nil {
		respond(a.Log, w, "Request", nil, fmt.Errorf("body timeout: %w", err))
		return
	}
	route, names, methods := match(r.Method, r.URL.EscapedPath())
	action := "Request"
	if route != nil {
		action = route.action
	}
	if names["instance"] != "" && wire.CheckName(names["instance"]) == nil {
		action += ":" + names["instance"]
	}
	if err := checkSource(r, a.names()); err != nil {
		a.bodies.leave(w, r)
		respond(a.Log, w, action, nil, a.nameIn(err, &request{operation: names["operation"]}))
		return
	}
	if route == nil {
		a.bodies.leave(w, r)
		if len(methods) == 0 {
			err := wire.Refuse(wire.CodeNotFound, "%s is not a path of this API: see %s/openapi.json", quoted(r.URL.Path), wire.Prefix)
			respond(a.Log, w, action, nil, a.nameIn(err, &request{}))
			return
		}
		w.Header().Set("Allow", strings.Join(methods, ", "))
		err := wire.Refuse(wire.CodeMethodNotAllowed, "%s is not for %s: use %s", quoted(r.URL.Path), quoted(r.Method),
			strings.Join(methods, " or "))
		respond(a.Log, w, action, nil, a.nameIn(err, &request{}))
		return
	}
	caller, err := authorize(a.Member, a.Log, &a.unknown, r, route, names["store"])
	if err != nil {
		a.bodies.leave(w, r)
		respond(a.Log, w, action, nil, a.nameIn(err, &request{operation: names["operation"]}))
		return
	}
	req, err := a.read(w, r, route, names)
	if err != nil {
		a.bodies.leave(w, r)
		respond(a.Log, w, action, nil, a.nameIn(err, &request{operation: names["operation"]}))
		return
	}
	defer req.release()
	req.caller = caller
	slot, err := a.answerSlot(w, route, req.client)
	if err != nil {
		respond(a.Log, w, action, nil, a.nameIn(err, req))
		return
	}
	if slot != nil {
		defer a.answers.release(slot)
	}
	enterState(r.Context(), serving)
	value, err := audited(a.Log, a.Audit, route, action, req, func() (any, error) { return a.handle(route, req) })
	value = withAudit(a.Audit, value)
	enterState(r.Context(), answering)
	if slot != nil {
		a.answers.moves(slot)
	}
	if result, ok := value.(*wire.Result); ok {
		result.Store, result.Digest = req.store, req.digest
	}
	respond(a.Log, w, action, value, a.nameIn(err, req))
}

// nameIn returns a refusal that names this manager and what the request is about, as far as it was understood: a client
// can tell it from an answer to another request. Another error stays as it is.
func (a *API) nameIn(err error, req *request) error {
	var r *wire.Result
	if !errors.As(err, &r) {
		return err
	}
	named := *r
	named.Manager, named.OperationID = a.Catalog.Identity(), req.operation
	named.Store, named.Digest = req.store, req.digest
	return &named
}

// readOnlyActions lists the actions that a read-only manager serves: they show the observed status. Other managers get
// no state from it, because they would take it for complete and durable.
var readOnlyActions = map[string]bool{
	"GetStores": true, "GetStore": true, "GetLog": true, "GetMetrics": true,
	"GetInfo": true, "GetHealth": true, "GetOpenAPI": true,
	// They don't concern the catalog.
	"Join": true, "GetAccess": true, "AppendAccess": true, "GetAccessState": true, "MakeCertificate": true,
	"GetCertificates": true, "GetIssuer": true,
}

// handle serves a request, or refuses it because the manager is read-only.
func (a *API) handle(route *route, req *request) (any, error) {
	refusal := a.Catalog.ReadOnly()
	if refusal != nil && !readOnlyActions[route.action] {
		return nil, refusal
	}
	value, err := route.handle(a, req)
	if a.Catalog.Lost() == "" {
		return value, err
	}
	var r *wire.Result
	if errors.As(err, &r) && (r.Code == wire.CodeStoreNotFound || r.Code == wire.CodeInstanceNotFound) {
		return nil, refusal // it may exist
	}
	if stores, listed := value.([]wire.Store); listed && len(stores) == 0 {
		return nil, refusal // there may be some, of which it finds no instance
	}
	return value, err
}

// largeActions lists the actions whose answers show stores of the catalog.
var largeActions = map[string]bool{
	"GetStores": true, "GetStore": true, "GetState": true, "GetOperations": true, "GetOperation": true,
}

// answerSlot returns the slot of a request whose answer may be large, or nil.
func (a *API) answerSlot(w http.ResponseWriter, route *route, client netip.Addr) (*largeSlot, error) {
	if route.action != "GetLog" && !(largeActions[route.action] && a.Catalog.Size() >= largeCatalog) {
		return nil, nil
	}
	slot, err := a.answers.acquire(client, a.bodies.timeout, func() {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now()) // the server has set one before
	})
	if err == nil {
		a.answers.moved(slot)
	}
	return slot, err
}
