package hostid

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// FromWebPage reports whether the headers of a request show that a web page sent it, of whatever origin.
// Browsers send no such header when a page reads from its own origin.
func FromWebPage(r *http.Request) bool {
	return NamesWebPage(r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site"))
}

// NamesWebPage reports whether the values of the headers Origin and Sec-Fetch-Site, "" for none, are those of a request
// from a web page.
func NamesWebPage(origin, site string) bool { return origin != "" || site != "" && site != "none" }

// IsOwnName reports whether the Host header of a request is an IP address, localhost or one of own, the server's names.
// Any other name may be an attacker's that resolves to this server (DNS rebinding). A request without a Host
// header, which HTTP/1.0 allows, does not come from a browser.
func IsOwnName(host string, own ...string) bool {
	host = Hostname(host)
	return host == "" || net.ParseIP(host) != nil || strings.EqualFold(host, "localhost") ||
		slices.ContainsFunc(own, func(name string) bool { return strings.EqualFold(host, name) })
}

// Hostname returns the Host header of a request without its port.
func Hostname(host string) string { return (&url.URL{Host: host}).Hostname() }
