package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"dkvrun/runtime/wire"
)

// route is one line of the table.
type route struct {
	method string
	// path comes after wire.Prefix; {store}, {instance} and {operation} stand for one name each.
	path string
	// action is the result's operation; that of an instance gets ":INSTANCE" after it.
	action string
	// params are the query parameters that the route knows.
	params []string
	// body says that the request has one, in JSON.
	body   bool
	handle func(*API, *request) (any, error)
}

// routes is the whole API.
var routes = []route{
	{"GET", "/stores", "GetStores", nil, false, (*API).listStores},
	{"POST", "/stores", "CreateStore", nil, true, (*API).createStore},
	{"GET", "/stores/{store}", "GetStore", nil, false, (*API).getStore},
	{"DELETE", "/stores/{store}", "RemoveStore", []string{"force"}, false, (*API).removeStore},
	{"POST", "/stores/{store}/instances", "AddInstance", nil, true, (*API).addInstance},
	{"DELETE", "/stores/{store}/instances/{instance}", "RemoveInstance", []string{"baseRevision", "loseData", "founding"}, false, (*API).removeInstance},
	{"POST", "/stores/{store}/instances/{instance}/start", "StartInstance", nil, false, (*API).startInstance},
	{"POST", "/stores/{store}/instances/{instance}/stop", "StopInstance", []string{"force"}, false, (*API).stopInstance},
	{"GET", "/stores/{store}/state", "GetState", nil, false, (*API).getState},
	{"POST", "/stores/{store}/settle", "Settle", []string{"to", "home"}, false, (*API).settle},
	{"POST", "/stores/{store}/fence", "Fence", []string{"to"}, true, (*API).fence},
	{"POST", "/stores/{store}/decide", "Decide", []string{"to"}, true, (*API).decide},
	{"POST", "/operations", "Prepare", []string{"to"}, true, (*API).prepare},
	{"GET", "/operations", "GetOperations", nil, false, (*API).listOperations},
	{"GET", "/operations/{operation}", "GetOperation", nil, false, (*API).getOperation},
	{"POST", "/operations/{operation}/commit", "Commit", []string{"to", "epoch"}, false, (*API).commit},
	{"POST", "/operations/{operation}/abort", "Abort", []string{"to"}, true, (*API).abort},
	{"POST", "/operations/{operation}/renew", "Renew", []string{"to"}, false, (*API).renew},
	{"GET", "/stores/{store}/instances/{instance}/log", "GetLog", []string{"tail"}, false, (*API).getLog},
	{"GET", "/metrics", "GetMetrics", []string{"windowSec", "store"}, false, (*API).getMetrics},
	{"GET", "/info", "GetInfo", nil, false, (*API).getInfo},
	{"GET", "/health", "GetHealth", nil, false, (*API).getHealth},
	{"GET", "/openapi.json", "GetOpenAPI", nil, false, (*API).getOpenAPI},
}

// match finds the route of a path as it came, still escaped, so that no escape can add a segment. The
// methods are those that the path has; names are the unescaped {…}.
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

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Of a request that is refused the server still wants the rest of its body, before it answers.
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(a.bodyTime)); err != nil {
		a.respond(w, "Request", nil, fmt.Errorf("body timeout: %w", err))
		return
	}
	route, names, methods := match(r.Method, r.URL.EscapedPath())
	if route == nil {
		if len(methods) == 0 {
			a.respond(w, "Request", nil, refuse(wire.CodeNotFound, "%s is not a path of this API: see %s/openapi.json", quoted(r.URL.Path), wire.Prefix))
			return
		}
		w.Header().Set("Allow", strings.Join(methods, ", "))
		a.respond(w, "Request", nil, refuse(wire.CodeMethodNotAllowed, "%s is not for %s: use %s", quoted(r.URL.Path), quoted(r.Method), strings.Join(methods, " or ")))
		return
	}
	action := route.action
	if names["instance"] != "" && wire.CheckName(names["instance"]) == nil {
		action += ":" + names["instance"]
	}
	req, err := a.read(w, r, route, names)
	if err != nil {
		a.respond(w, action, nil, err)
		return
	}
	defer req.release()
	value, err := a.handle(route, req)
	a.respond(w, action, value, err)
}
