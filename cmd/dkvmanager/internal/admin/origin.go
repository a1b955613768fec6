package admin

import (
	"net/http"

	"dkvrun/cmd/dkvmanager/internal/hostid"
	"dkvrun/runtime/wire"
)

// checkSource refuses requests of web pages. The API serves no page, so a request with an origin comes from a foreign
// page. Browsers send no origin when a page reads from its own server, and the name of that server may resolve to this
// manager (DNS rebinding); the Host must therefore be an IP address, localhost, or one of names.
func checkSource(r *http.Request, names []string) error {
	if hostid.FromWebPage(r) {
		return wire.Refuse(wire.CodeBadRequest, "web pages may not use this API")
	}
	if !hostid.IsOwnName(r.Host, names...) {
		return wire.Refuse(wire.CodeBadRequest, "%s is not a name of this manager: use its IP address, "+
			"or start it with --advertise or --also-known-as and that name", quoted(hostid.Hostname(r.Host)))
	}
	return nil
}
