package admin

import (
	"net"
	"net/http"

	"dkvrun/cmd/dkvmanager/internal/hostid"
	"dkvrun/runtime/wire"
)

// checkSource refuses requests of web pages. None is served here, so that one of this very origin is a
// stranger's too, whose name was made to point here. Browsers don't say when such a page reads; what only this
// machine reaches therefore has to be asked by a name that is its own.
func (a *API) checkSource(r *http.Request) error {
	if hostid.FromWebPage(r) {
		return refuse(wire.CodeBadRequest, "web pages may not use this API")
	}
	if listen, _, err := net.SplitHostPort(a.Listen); err == nil && loopback(listen) && !hostid.IsOwnName(r.Host, a.Host) {
		return refuse(wire.CodeBadRequest, "%s is no name of this manager: use its IP address, or start it with --advertise and that name", quoted(hostid.Hostname(r.Host)))
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
