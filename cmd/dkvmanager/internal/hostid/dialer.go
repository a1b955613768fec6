package hostid

import (
	"net"

	"dkvrun/runtime/netfault"
)

// Dialer makes the connections of a server that is bound to an IP, empty for all, so that they come from
// there too: that is the address which firewalls let in and logs name. 127.0.0.1 and ::1 are what the
// system takes by itself for loopback addresses; bound to them, a server could reach no others.
func Dialer(bind string) *net.Dialer {
	d := &net.Dialer{Control: netfault.Control}
	if ip := net.ParseIP(bind); ip != nil && bind != "127.0.0.1" && bind != "::1" {
		d.LocalAddr = &net.TCPAddr{IP: ip}
	}
	return d
}
