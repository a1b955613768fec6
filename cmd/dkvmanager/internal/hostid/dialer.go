package hostid

import (
	"net"

	"dkvrun/runtime/netfault"
)

// Dialer returns a dialer whose connections come from bind, the IP that the server listens on (empty for all):
// firewalls allow that address and logs name it. For 127.0.0.1 and ::1 the source address stays unset. The
// system chooses them by itself for loopback destinations, and a socket bound to them reaches no others.
func Dialer(bind string) *net.Dialer {
	d := &net.Dialer{Control: netfault.Control}
	if ip := net.ParseIP(bind); ip != nil && bind != "127.0.0.1" && bind != "::1" {
		d.LocalAddr = &net.TCPAddr{IP: ip}
	}
	return d
}
