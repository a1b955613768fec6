package etcd

import (
	"net"
	"net/http"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

// noOrigin is where no web page comes from: etcd takes an empty list of origins for all of them.
const noOrigin = "none"

// withoutPages refuses web pages, as the manager does: what any page in a browser can reach is not kept by
// an address that only this machine reaches. Browsers name a page's origin, but not when a page whose
// name was made to point here reads; on loopback an instance therefore wants to be asked by a name of its own.
func withoutPages(spec engine.Spec, routes http.Handler) http.Handler {
	ip := net.ParseIP(spec.Bind)
	local := ip != nil && ip.IsLoopback()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site := r.Header.Get("Sec-Fetch-Site")
		switch {
		case r.Header.Get("Origin") != "", site != "" && site != "none":
			http.Error(w, `{"code":7,"message":"web pages may not use this store"}`, http.StatusForbidden)
		case local && !namesIt(r.Host, spec.Host):
			http.Error(w, `{"code":7,"message":"this is no name of the instance: use its IP address"}`, http.StatusForbidden)
		default:
			routes.ServeHTTP(w, r)
		}
	})
}

func namesIt(host, own string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return net.ParseIP(strings.Trim(host, "[]")) != nil || strings.EqualFold(host, "localhost") || strings.EqualFold(host, own)
}
