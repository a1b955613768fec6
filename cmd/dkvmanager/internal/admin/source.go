package admin

import (
	"net"
	"net/http"
	"strings"

	"dkvrun/runtime/wire"
)

// checkSource refuses requests of web pages. None is served here, so that one of this very origin is a
// stranger's too, whose name was made to point here. Browsers say where a request comes from, but not
// when a page of such a name reads; what only this machine reaches therefore has to be asked by a name that is
// its own.
func (a *API) checkSource(r *http.Request) error {
	site := r.Header.Get("Sec-Fetch-Site")
	if r.Header.Get("Origin") != "" || site != "" && site != "none" {
		return refuse(wire.CodeBadRequest, "web pages may not use this API")
	}
	if listen, _, err := net.SplitHostPort(a.Listen); err != nil || !loopback(listen) {
		return nil
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if net.ParseIP(strings.Trim(host, "[]")) != nil || strings.EqualFold(host, "localhost") || strings.EqualFold(host, a.Host) {
		return nil
	}
	return refuse(wire.CodeBadRequest, "%s is no name of this manager: use its IP address, or start it with --advertise and that name", quoted(host))
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
