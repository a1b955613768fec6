package hostid

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// FromWebPage tells whether a browser says that a request is a web page's, of whatever origin. It says nothing
// when a page only reads from where it came from.
func FromWebPage(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return r.Header.Get("Origin") != "" || site != "" && site != "none"
}

// IsOwnName tells whether the Host of a request is an address, or a name that a server has by itself: own, or
// localhost. Any other name may be one that was made to point here. Without one, which HTTP/1.0 allows, it is
// no browser's.
func IsOwnName(host, own string) bool {
	host = Hostname(host)
	return host == "" || net.ParseIP(host) != nil || strings.EqualFold(host, "localhost") || strings.EqualFold(host, own)
}

// Hostname is the Host of a request without its port.
func Hostname(host string) string { return (&url.URL{Host: host}).Hostname() }
