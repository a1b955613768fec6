package admin

import (
	"net"
	"net/http"

	"dkvrun/cmd/dkvmanager/internal/hostid"
	"dkvrun/runtime/wire"
)

// checkSource refuses requests of web pages. The API serves no page, so a request with this origin comes from a foreign
// page whose name resolves to this server (DNS rebinding). Browsers don't mark the reads of such a page; on a loopback
// address the Host must therefore be one of the manager's own names. host and listen are those of Options.
func checkSource(r *http.Request, host, listen string) error {
	if hostid.FromWebPage(r) {
		return wire.Refuse(wire.CodeBadRequest, "web pages may not use this API")
	}
	if ip, _, err := net.SplitHostPort(listen); err == nil && loopback(ip) && !hostid.IsOwnName(r.Host, host) {
		return wire.Refuse(wire.CodeBadRequest, "%s is not a name of this manager: use its IP address, or start it with --advertise and that name", quoted(hostid.Hostname(r.Host)))
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
