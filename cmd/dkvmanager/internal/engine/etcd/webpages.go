package etcd

import (
	"net"
	"net/http"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/hostid"
)

// noOrigins is an origin that no web page has: etcd takes an empty list of origins as all origins.
const noOrigins = "none"

// rejectWebPages refuses requests of web pages, as the manager does: a page in a local browser reaches a loopback
// address too.
func rejectWebPages(spec engine.Spec, routes http.Handler) http.Handler {
	ip := net.ParseIP(spec.Bind)
	local := ip != nil && ip.IsLoopback()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case hostid.FromWebPage(r):
			http.Error(w, `{"code":7,"message":"web pages may not use this store"}`, http.StatusForbidden)
		case local && !hostid.IsOwnName(r.Host, spec.Host):
			http.Error(w, `{"code":7,"message":"the Host is not a name of this instance: use its IP address"}`, http.StatusForbidden)
		default:
			routes.ServeHTTP(w, r)
		}
	})
}
