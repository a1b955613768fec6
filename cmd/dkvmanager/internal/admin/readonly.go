package admin

import (
	"errors"

	"dkvrun/runtime/wire"
)

// lost is what can be asked of a manager whose catalog is lost: what it sees for itself. Other managers
// are not told what it has of a store, for they would take it for the whole truth.
var readOnlyActions = map[string]bool{
	"GetStores": true, "GetStore": true, "GetLog": true, "GetMetrics": true,
	"GetInfo": true, "GetHealth": true, "GetOpenAPI": true,
}

// handle answers a request, or refuses it because the catalog is lost.
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
		return nil, a.Catalog.ReadOnly() // it may well be there
	}
	return value, err
}
