package etcd

import (
	"net"
	"net/http"

	"google.golang.org/grpc/codes"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/hostid"
)

// Refusals of requests that may come from web pages.
const (
	webPageRefused = "web pages may not use this store"
	foreignHost    = "the Host is not a name of this instance: use its IP address"
)

// rejectWebPages refuses requests of web pages, as the manager does: a page in a local browser reaches a loopback
// address too.
func rejectWebPages(spec engine.Spec, routes http.Handler) http.Handler {
	ip := net.ParseIP(spec.Bind)
	local := ip != nil && ip.IsLoopback()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case hostid.FromWebPage(r):
			refuse(w, http.StatusForbidden, codes.PermissionDenied, webPageRefused)
		case local && !hostid.IsOwnName(r.Host, spec.Host):
			refuse(w, http.StatusForbidden, codes.PermissionDenied, foreignHost)
		default:
			routes.ServeHTTP(w, r)
		}
	})
}
