package instances

import (
	"fmt"
	"strconv"
	"strings"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/topology"
	"dkvrun/runtime"
	"dkvrun/runtime/wire"
)

// newNodes returns the nodes that an add_instance call adds.
func newNodes(c *runtime.Call, s *cluster.Session, v *cluster.View) ([]wire.Node, error) {
	var nodes []wire.Node
	switch {
	case c.Has("nodes") && (c.Has("hosts") || c.Has("host")), c.Has("hosts") && c.Has("host"):
		return nil, c.Misuse("host", "give one of host, hosts and nodes")
	case c.Has("nodes"):
		var err error
		if nodes, err = topology.Parse(c, "nodes"); err != nil {
			return nil, err
		}
		if len(nodes) == 0 {
			return nil, c.Misuse("nodes", "is empty: nothing to add")
		}
	case c.Has("hosts"):
		for _, p := range []string{"instance_name", "clustron_port", "client_port"} {
			if c.Has(p) {
				return nil, c.Misuse(p, "can't be combined with hosts: names and ports continue those of the store")
			}
		}
		count := 1
		if c.Has("instance_count") {
			count = c.Int("instance_count")
		}
		for _, host := range splitHosts(c.Strings("hosts")) {
			for i := 0; i < count; i++ {
				nodes = append(nodes, nextNode(v, host, nodes))
			}
		}
	case c.Has("host"):
		if c.Has("instance_count") {
			return nil, c.Misuse("instance_count", "requires hosts; host adds one instance")
		}
		n := nextNode(v, c.String("host"), nil)
		if c.Has("instance_name") {
			n.Name = c.String("instance_name")
		}
		if there, again := v.Find(n.Name); again {
			n.ClustronPort, n.ClientPort = there.ClustronPort, there.ClientPort
		}
		if c.Has("clustron_port") {
			n.ClustronPort = c.Int("clustron_port")
		}
		if c.Has("client_port") {
			n.ClientPort = c.Int("client_port")
		}
		nodes = []wire.Node{n}
	default:
		return nil, c.Misuse("host", "is required, or hosts = {…}, or nodes = {…}: which server gets the new instance?")
	}
	for i := range nodes {
		n := &nodes[i]
		if there, taken := v.Find(n.Name); taken && !samePlace(there.Node, *n) {
			return nil, c.Misuse("instance_name", "%s has an instance %s already, on %s with ports %d and %d", v.Name, n.Name, there.Host, there.ClustronPort, there.ClientPort)
		} else if taken {
			continue
		}
		if n.Manager == "" {
			n.Manager = managerOn(s, n.Host)
		}
		if n.Manager == "" {
			return nil, c.Misuse("host", "%s is no server of this session (%s): connect to its manager too", n.Host, cluster.Listed(s.Endpoints()))
		}
	}
	return nodes, nil
}

// splitHosts returns the hosts of a list. An element may hold several hosts, and may be the host:port of a manager.
func splitHosts(list []string) []string {
	var out []string
	for _, entry := range list {
		for _, host := range strings.Split(entry, ",") {
			host = strings.TrimSpace(host)
			if name, port, ok := strings.Cut(host, ":"); ok && !strings.Contains(port, ":") {
				host = name
			}
			out = append(out, host)
		}
	}
	return out
}

// managerOn returns the address of the first manager of the session on a host, or "".
func managerOn(s *cluster.Session, host string) string {
	for _, m := range s.Members() {
		if strings.EqualFold(m.Endpoint.Host, host) || m.Info != nil && strings.EqualFold(m.Info.Host, host) {
			return m.Endpoint.String()
		}
	}
	return ""
}

// nextNode returns the node after those of the store and those already planned: the prefix with the next index, and on
// its host the ports after the last ones, or the first ports of the store.
func nextNode(v *cluster.View, host string, planned []wire.Node) wire.Node {
	all := append(v.Nodes(), planned...)
	n := wire.Node{Host: host, ClustronPort: all[0].ClustronPort, ClientPort: all[0].ClientPort}
	prefix, last := "", 0
	clustron, client := 0, 0
	for _, other := range all {
		if dash := strings.LastIndexByte(other.Name, '-'); dash > 0 {
			if i, err := strconv.Atoi(other.Name[dash+1:]); err == nil && i >= last {
				prefix, last = other.Name[:dash], i
			}
		}
		n.ClustronPort, n.ClientPort = min(n.ClustronPort, other.ClustronPort), min(n.ClientPort, other.ClientPort)
		if strings.EqualFold(other.Host, host) {
			clustron, client = max(clustron, other.ClustronPort+1), max(client, other.ClientPort+1)
		}
	}
	if prefix == "" {
		prefix, last = v.Name, len(all)
	}
	if clustron > 0 {
		n.ClustronPort, n.ClientPort = clustron, client
	}
	n.Name = fmt.Sprintf("%s-%d", prefix, last+1)
	return n
}

// samePlace reports whether two nodes have the same host and ports.
func samePlace(a, b wire.Node) bool {
	return strings.EqualFold(a.Host, b.Host) && a.ClustronPort == b.ClustronPort && a.ClientPort == b.ClientPort
}

// lackingNodes returns the nodes that the store does not have yet, so that a repeated call adds only those.
func lackingNodes(v *cluster.View, nodes []wire.Node) []wire.Node {
	var out []wire.Node
	for _, n := range nodes {
		if _, there := v.Find(n.Name); !there {
			out = append(out, n)
		}
	}
	return out
}
