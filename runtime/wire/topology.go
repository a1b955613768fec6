package wire

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// topologyError is the error of an invalid topology. Field is the path of the invalid part, such as nodes[2].host.
type topologyError struct {
	Field, Problem string
}

func (e *topologyError) Error() string { return e.Field + ": " + e.Problem }

// CheckTopology returns a topologyError for a topology that no manager could run: no node or too many, an invalid name,
// host, role or port, two nodes with one name (ignoring case) or one host:port, or a node with its manager's port.
func CheckTopology(nodes []Node) error {
	if len(nodes) == 0 {
		return &topologyError{"nodes", "is empty: a store has at least one instance"}
	}
	if len(nodes) > MaxInstances {
		return &topologyError{"nodes", fmt.Sprintf("has %d instances: a store has at most %d on this engine", len(nodes), MaxInstances)}
	}
	names := make(map[string]int, len(nodes))
	type address struct {
		host string
		port int
	}
	type place struct {
		node  int
		field string
	}
	ports := make(map[address]place, 2*len(nodes))
	for i, n := range nodes {
		field := func(name string) string { return fmt.Sprintf("nodes[%d].%s", i, name) }
		if err := CheckName(n.Name); err != nil {
			return &topologyError{field("name"), err.Error()}
		}
		if j, taken := names[strings.ToLower(n.Name)]; taken {
			return &topologyError{field("name"), fmt.Sprintf("%q is the name of nodes[%d] too", n.Name, j)}
		}
		names[strings.ToLower(n.Name)] = i
		if n.Manager != "" {
			if err := checkEndpoint(n.Manager); err != nil {
				return &topologyError{field("manager"), err.Error()}
			}
		}
		if err := CheckHost(n.Host); err != nil {
			return &topologyError{field("host"), err.Error()}
		}
		if n.Role != "" && n.Role != Data && n.Role != Gateway {
			return &topologyError{field("role"), fmt.Sprintf("%q is not a role: data or gateway", n.Role)}
		}
		for _, p := range []struct {
			field string
			port  int
		}{{"clustronPort", n.ClustronPort}, {"clientPort", n.ClientPort}} {
			if p.port < 1 || p.port > 65535 {
				return &topologyError{field(p.field), fmt.Sprintf("%d is not a port: 1 to 65535", p.port)}
			}
			at := address{strings.ToLower(n.Host), p.port}
			if other, taken := ports[at]; taken {
				return &topologyError{field(p.field), fmt.Sprintf("%s:%d is nodes[%d].%s too", n.Host, p.port, other.node, other.field)}
			}
			ports[at] = place{i, p.field}
			if n.Manager != "" && n.Manager == net.JoinHostPort(n.Host, strconv.Itoa(p.port)) {
				return &topologyError{field(p.field), fmt.Sprintf("%s is its manager's port", n.Manager)}
			}
		}
	}
	return nil
}

// CheckHost refuses a host that can't be one server's: empty, an unspecified address such as 0.0.0.0, or characters
// that no host name or IP address has.
func CheckHost(host string) error {
	if host == "" {
		return fmt.Errorf("is empty: give the server's name or IP address")
	}
	if ip := net.ParseIP(host); ip != nil {
		if ip.IsUnspecified() {
			return fmt.Errorf("%s means every address of a machine, not one server", host)
		}
		return nil
	}
	if len(host) > 253 {
		return fmt.Errorf("has %d characters: a host name has at most 253", len(host))
	}
	for _, c := range host {
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_'
		if !ok {
			return fmt.Errorf("%q has %q, which no host name has", host, c)
		}
	}
	return nil
}
