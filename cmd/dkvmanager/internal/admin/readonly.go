package admin

import (
	"errors"

	"dkvrun/runtime/wire"
)

// readOnlyActions lists the actions that a manager with a lost catalog serves: they show what it observes. Other
// managers get no state from it, because they would take it for complete.
var readOnlyActions = map[string]bool{
	"GetStores": true, "GetStore": true, "GetLog": true, "GetMetrics": true,
	"GetInfo": true, "GetHealth": true, "GetOpenAPI": true,
}

// handle serves a request, or refuses it because the catalog is lost.
func (a *API) handle(route *route, req *request) (any, error) {
	if a.Catalog.Lost() == "" {
		return route.handle(a, req)
	}
	if !readOnlyActions[route.action] {
		return nil, a.Catalog.ReadOnly()
	}
	value, err := route.handle(a, req)
	var r *wire.Result
	if errors.As(err, &r) && (r.Code == wire.CodeStoreNotFound || r.Code == wire.CodeInstanceNotFound) {
		return nil, a.Catalog.ReadOnly() // it may exist
	}
	return value, err
}
