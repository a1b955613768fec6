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

// rejectWebPages refuses requests of web pages, as the manager does.
func rejectWebPages(spec engine.Spec, routes http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if reason := pageRefusal(spec, r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site"), r.Host); reason != "" {
			refuse(w, http.StatusForbidden, codes.PermissionDenied, reason)
			return
		}
		routes.ServeHTTP(w, r)
	})
}

// pageRefusal returns why a request is refused as one of a web page, or "". The arguments are the headers Origin,
// Sec-Fetch-Site and Host. A page in a local browser reaches a loopback address too.
func pageRefusal(spec engine.Spec, origin, site, host string) string {
	ip := net.ParseIP(spec.Bind)
	switch {
	case hostid.NamesWebPage(origin, site):
		return webPageRefused
	case ip != nil && ip.IsLoopback() && !hostid.IsOwnName(host, spec.Host):
		return foreignHost
	}
	return ""
}
