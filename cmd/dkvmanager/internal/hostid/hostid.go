// Package hostid knows under which host name and address this manager is reached, and which instances belong
// to its host.
package hostid

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"dkvrun/runtime/wire"
)

// Host is the host of one manager, as other machines reach it.
type Host struct {
	// Name is the advertised host name or address.
	Name string
	// Bind is the IP that the manager and its instances listen on; empty for all addresses.
	Bind string
	// Port is the port of the admin API.
	Port int
}

// resolveTimeout bounds the DNS lookup of the listen host.
const resolveTimeout = 5 * time.Second

// New returns the host that listens on listen (HOST:PORT) and is advertised as advertise. By default the
// listen host is advertised, or the machine's host name when listening on all addresses. A listen host that is
// a name is resolved once; an IPv4 address is preferred.
func New(listen, advertise string) (*Host, error) {
	host, portText, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("--listen %q: want HOST:PORT, for example 10.0.0.11:%d or [::1]:%d", listen, wire.DefaultManagerPort, wire.DefaultManagerPort)
	}
	port, err := strconv.Atoi(portText)
	if err != nil || port < 1 || port > 65535 {
		return nil, fmt.Errorf("--listen %q: %q is not a port: 1 to 65535", listen, portText)
	}
	s := &Host{Name: advertise, Port: port}
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		if s.Bind, err = resolve(host); err != nil {
			return nil, fmt.Errorf("--listen %q: %w", listen, err)
		}
		if s.Name == "" {
			s.Name = host
		}
	}
	if s.Name == "" {
		if s.Name, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("this machine's host name is not known (%w): give --advertise HOST", err)
		}
	}
	if err := wire.CheckHost(s.Name); err != nil {
		return nil, fmt.Errorf("the advertised host %w: give --advertise HOST", err)
	}
	return s, nil
}

func resolve(host string) (string, error) {
	if net.ParseIP(host) != nil {
		return host, nil
	}
	if err := wire.CheckHost(host); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return "", fmt.Errorf("the name has no address: %w", err)
	}
	for _, a := range addresses {
		if a.Unmap().Is4() {
			return a.Unmap().String(), nil
		}
	}
	return addresses[0].String(), nil
}

// Listen returns the HOST:PORT to listen on; HOST is empty for all addresses.
func (s *Host) Listen() string { return net.JoinHostPort(s.Bind, strconv.Itoa(s.Port)) }

// Loopback reports whether the manager listens on a loopback address, which no other machine can reach.
func (s *Host) Loopback() bool {
	ip := net.ParseIP(s.Bind)
	return ip != nil && ip.IsLoopback()
}

// Owns reports whether a node of a topology belongs to this manager. The node's host must be the advertised
// name, the listen address or, when listening on all addresses, an address of this machine. If the node names
// its manager, the ports must be the same, because two managers can share a host.
func (s *Host) Owns(n wire.Node) bool {
	if n.Manager != "" {
		_, port, err := net.SplitHostPort(n.Manager)
		if err != nil || port != strconv.Itoa(s.Port) {
			return false
		}
	}
	if strings.EqualFold(n.Host, s.Name) {
		return true
	}
	address, err := netip.ParseAddr(n.Host)
	if err != nil {
		return false
	}
	if s.Bind != "" {
		bind, err := netip.ParseAddr(s.Bind)
		return err == nil && bind.Unmap() == address.Unmap()
	}
	return isLocalAddress(address.Unmap())
}

func isLocalAddress(address netip.Addr) bool {
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, i := range interfaces {
		prefix, err := netip.ParsePrefix(i.String())
		if err == nil && prefix.Addr().Unmap() == address {
			return true
		}
	}
	return false
}
